"""Starts one agent: `python -m charter.agents intent|train|keywords|scripted|bank --help`."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click
import grpc.aio

from charter.agents import event_loop
from charter.agents.bank import Bank, FraudScore
from charter.agents.bank_data import InvalidBank, read_bank
from charter.agents.keywords import read_keywords
from charter.agents.many import LARGEST_MESSAGE
from charter.agents.provider import (
    SERVICE,
    AddressUnavailable,
    ProviderServicer,
    serve_until_signalled,
)
from charter.agents.scripted import InvalidScript, read_script, scripted_services
from charter.agents.tool_provider import SERVICE as TOOL_SERVICE
from charter.agents.tool_provider import ToolServicer
from charter.agents.utterances import InvalidUtterances
from charter.v1.suggestion_pb2_grpc import add_SuggestionProviderServicer_to_server
from charter.v1.tools_pb2_grpc import add_ToolProviderServicer_to_server

if TYPE_CHECKING:
    from charter.agents.intent import IntentProvider

LISTEN = click.option("--listen", default="127.0.0.1:0", show_default=True, help="host:port; port 0 takes a free one.")
DATA = click.option("--data", required=True, type=click.Path(path_type=Path), help="CSV: language,intent,utterance.")
CACHE = click.option(
    "--cache", default="var/models", show_default=True, type=click.Path(path_type=Path), help="Where models are kept."
)


class Mistake(click.ClickException):
    """What the caller can mend, in one line."""

    exit_code = 2


@click.group()
def main() -> None:
    """Bounded suggestion providers, each a gRPC server."""


@main.command()
@DATA
@CACHE
@LISTEN
@click.option("--in-scope", is_flag=True, help="Suggest how familiar an utterance is, too, as `in_scope`.")
def intent(data: Path, cache: Path, listen: str, in_scope: bool) -> None:
    """Serves the intent classifier of a policy's utterances, learned now or found in the cache."""
    provider = load(data, cache, tells_scope=in_scope)
    with ThreadPoolExecutor(max_workers=1) as workers:
        servicer = ProviderServicer(provider, workers)
        run(lambda server: add_SuggestionProviderServicer_to_server(servicer, server), listen)


@main.command()
@DATA
@CACHE
def train(data: Path, cache: Path) -> None:
    """Learns from a policy's utterances, keeps the result and prints the accuracy of each language."""
    for one in load(data, cache).describe().languages:
        click.echo(f"{one.language}: {one.accuracy:.3f} of {one.held_out} held-out utterances, over {one.encoder}")


@main.command()
@click.option(
    "--script", required=True, type=click.Path(path_type=Path), help="JSON lines; see charter.agents.scripted."
)
@LISTEN
def scripted(script: Path, listen: str) -> None:
    """Serves answers from a script: the double that tests use."""
    try:
        services = scripted_services(read_script(script))
    except InvalidScript as error:
        raise Mistake(str(error)) from error
    run(services, listen, largest_answer=-1)


@main.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="CSV: language,intent,words.")
@LISTEN
def keywords(data: Path, listen: str) -> None:
    """Serves the word lists of a policy: instant, and there when no model is."""
    try:
        provider = read_keywords(data)
    except InvalidUtterances as error:
        raise Mistake(str(error)) from error
    with ThreadPoolExecutor(max_workers=1) as workers:
        servicer = ProviderServicer(provider, workers)
        run(lambda server: add_SuggestionProviderServicer_to_server(servicer, server), listen)


@main.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="JSON; see charter.agents.bank_data.")
@LISTEN
def bank(data: Path, listen: str) -> None:
    """Serves the demo bank: the tools of card support over a few customers, and the agent `fraud_score`."""
    try:
        found = read_bank(data)
    except InvalidBank as error:
        raise Mistake(str(error)) from error
    with ThreadPoolExecutor(max_workers=1) as workers:

        def services(server: grpc.aio.Server) -> None:
            add_SuggestionProviderServicer_to_server(ProviderServicer(FraudScore(found), workers), server)
            add_ToolProviderServicer_to_server(ToolServicer(Bank(found)), server)

        run(services, listen, names=(SERVICE, TOOL_SERVICE))


def load(data: Path, cache: Path, *, tells_scope: bool = False) -> "IntentProvider":
    try:
        from charter.agents.encoders import EncoderUnavailable
        from charter.agents.intent import load_provider

        try:
            return load_provider(data, cache, warn=warn, tells_scope=tells_scope)
        except (InvalidUtterances, EncoderUnavailable) as error:
            raise Mistake(str(error)) from error
        except OSError as error:
            raise Mistake(f"{error.filename}: {error.strerror}") from error
    except ModuleNotFoundError as error:
        raise Mistake(f"the intent agent needs {error.name}: install charter[ml]") from error


def warn(sentence: str) -> None:
    click.echo(f"warning: {sentence}", err=True)


def run(
    services: Callable[[grpc.aio.Server], None],
    listen: str,
    *,
    largest_answer: int = LARGEST_MESSAGE,
    names: Sequence[str] = (SERVICE,),
) -> None:
    try:
        event_loop.run(serve_until_signalled(services, listen=listen, largest_answer=largest_answer, names=names))
    except AddressUnavailable as error:
        raise Mistake(str(error)) from error


if __name__ == "__main__":
    main(prog_name="python -m charter.agents")
