"""The commands about agents that the command line mounts: `agents check`."""

import asyncio
from collections.abc import Awaitable

import click
import grpc
import grpc.aio

from charter.agents.conformance import Finding, check_suggestions
from charter.agents.many import LARGEST_MESSAGE
from charter.agents.tool_conformance import check_tools
from charter.v1 import suggestion_pb2, suggestion_pb2_grpc, tools_pb2, tools_pb2_grpc

LONGEST_SECONDS = 600


@click.group("agents")
def agents_command() -> None:
    """The agents and tools that a policy is served with."""


@agents_command.command("check")
@click.argument("address")
@click.option("--within", default=5.0, show_default=True, help="Seconds that one answer may take.")
@click.option("--writes", is_flag=True, help="Call tools that write, too, with made-up arguments. Not in production.")
def check_command(address: str, within: float, writes: bool) -> None:
    """Checks the server at ADDRESS (host:port) against the contract of what it serves. Exits 1 where it fails."""
    if not 0 < within <= LONGEST_SECONDS:
        raise click.BadParameter(f"{within} is not more than 0 and at most {LONGEST_SECONDS}.", param_hint="--within")
    findings = asyncio.run(check(address, within=within, writes=writes))
    for one in findings:
        click.echo(f"{'ok   ' if one.holds else 'FAILS'} {one.claim}{f': {one.why}' if one.why else ''}")
    if not all(one.holds for one in findings):
        raise SystemExit(1)


async def check(address: str, *, within: float, writes: bool) -> list[Finding]:
    """Returns a finding for each claim about the services at the address; one that fails where there is none."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", LARGEST_MESSAGE)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        suggests = await served(
            suggestion_pb2_grpc.SuggestionProviderStub(channel).Describe(
                suggestion_pb2.DescribeRequest(), timeout=within
            )
        )
        calls = await served(
            tools_pb2_grpc.ToolProviderStub(channel).Describe(tools_pb2.ToolProviderDescribeRequest(), timeout=within)
        )
        findings = [one async for one in check_suggestions(channel, within=within)] if suggests is None else []
        if calls is None:
            findings += [one async for one in check_tools(channel, within=within, writes=writes)]
        return findings or [Finding(f"{address} serves suggestions or tools", suggests or "")]


async def served(call: Awaitable[object]) -> str | None:
    """Returns None where the service answers, else why it does not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"[:200]
    return None
