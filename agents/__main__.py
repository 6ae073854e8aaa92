"""Starts one agent: `python -m charter.agents intent|train|scripted --help`."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click
import grpc.aio

from charter.agents.provider import LARGEST_MESSAGE, AddressUnavailable, ProviderServicer, serve_until_signalled
from charter.agents.scripted import InvalidScript, read_script, scripted_services
from charter.v1.suggestion_pb2_grpc import add_SuggestionProviderServicer_to_server

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
def intent(data: Path, cache: Path, listen: str) -> None:
    """Serves the intent classifier of a policy's utterances, learned now or found in the cache."""
    provider = load(data, cache)
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


def load(data: Path, cache: Path) -> "IntentProvider":
    try:
        from charter.agents.encoders import EncoderUnavailable
        from charter.agents.intent import load_provider
        from charter.agents.utterances import InvalidUtterances

        try:
            return load_provider(data, cache, warn=lambda sentence: click.echo(f"warning: {sentence}", err=True))
        except (InvalidUtterances, EncoderUnavailable) as error:
            raise Mistake(str(error)) from error
        except OSError as error:
            raise Mistake(f"{error.filename}: {error.strerror}") from error
    except ModuleNotFoundError as error:
        raise Mistake(f"the intent agent needs {error.name}: install charter[ml]") from error


def run(services: Callable[[grpc.aio.Server], None], listen: str, *, largest_answer: int = LARGEST_MESSAGE) -> None:
    try:
        asyncio.run(serve_until_signalled(services, listen=listen, largest_answer=largest_answer))
    except AddressUnavailable as error:
        raise Mistake(str(error)) from error


if __name__ == "__main__":
    main(prog_name="python -m charter.agents")
