"""Plays many utterances, each in a conversation of its own, and counts what was decided about them."""

import asyncio
import csv
import re
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from charter.engine.local.play import TURN_SECONDS, milliseconds, spelled
from charter.engine.local.script import start_request
from charter.v1 import conversations_pb2 as pb
from charter.v1 import conversations_pb2_grpc

MOST_CHARACTERS = 8192


class InvalidUtterances(ValueError):
    """A file that cannot be played or learned from; the message names it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a customer says; the intent that is meant, where the file knows."""

    text: str
    meant: str | None


@dataclass(frozen=True, slots=True)
class Played:
    """What became of a line. `understood` is the intent that was suggested, None where none was."""

    line: Line
    decided: tuple[str, ...]  # acts as a policy spells them, or why there are none
    answered: bool
    understood: str | None
    took_ms: float | None  # None where it was refused
    deciding_ms: tuple[float, ...]


def read_lines(path: Path, meanings: Mapping[str, str]) -> list[Line]:
    """The lines of a CSV file with the columns `text` and maybe `category`, which `meanings` turns into intents.

    Raises `InvalidUtterances`.
    """
    lines = []
    for number, row in _rows(path, "text"):
        text, category = " ".join(row["text"].split()), row.get("category")
        if category is not None and meanings and category not in meanings:
            raise InvalidUtterances(f"{path}:{number}: nothing says which intent the category `{category}` is")
        if len(text) > MOST_CHARACTERS:
            raise InvalidUtterances(f"{path}:{number}: {len(text)} characters; at most {MOST_CHARACTERS} can be said")
        if text:
            lines.append(Line(text, meanings.get(category, category) if category else None))
    if not lines:
        raise InvalidUtterances(f"{path}: there is no text in it")
    return lines


def read_meanings(path: Path) -> dict[str, str]:
    """The intent that each category means, from a CSV file `category,intent`. Raises `InvalidUtterances`."""
    return {row["category"]: row["intent"] for _, row in _rows(path, "category", "intent")}


def write_agent_data(lines: Sequence[Line], language: str, path: Path) -> int:
    """What the intent agent can learn from was written to `path`, each utterance once: how many."""
    once: dict[str, Line] = {}
    for line in lines:
        words = " ".join(re.findall(r"\w+", line.text.casefold()))
        if line.meant and words:
            once.setdefault(words, line)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["language", "intent", "utterance"])
        writer.writerows([language, line.meant, line.text] for line in once.values())
    return len(once)


def spread(lines: Sequence[Line], most: int | None) -> list[Line]:
    """At most so many of the lines, evenly from the whole file, in its order."""
    if most is None or most >= len(lines):
        return list(lines)
    return [lines[number * len(lines) // most] for number in range(most)]


async def play_utterances(
    stub: conversations_pb2_grpc.ConversationsStub,
    policy: str,
    language: str,
    agent: str,
    lines: Sequence[Line],
    *,
    at_once: int,
) -> list[Played]:
    """Each line was said in a conversation of its own, at most `at_once` of them at a time."""
    left, played = iter(enumerate(lines)), dict[int, Played]()

    async def one_after_the_other() -> None:
        for number, line in left:
            played[number] = await _play(stub, policy, language, agent, line)

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return [played[number] for number in range(len(lines))]


def summary(played: Sequence[Played]) -> Iterator[str]:
    """What was decided, how well it was understood and how long it took, a line each."""
    counts = Counter("; ".join(one.decided) or "nothing" for one in played)
    for decided, count in counts.most_common():
        yield f"{count:>6}  {decided}"
    yield f"{sum(one.answered for one in played)} of {len(played)} answered"
    known = [one for one in played if one.line.meant is not None]
    if known:
        right = sum(one.understood == one.line.meant for one in known)
        yield f"{right} of {len(known)} understood: {right / len(known):.3f}"
    for what, times in (
        ("a turn", [one.took_ms for one in played if one.took_ms is not None]),
        ("a decision", [took for one in played for took in one.deciding_ms]),
    ):
        if times:
            ranked = sorted(times)
            middle, high = ranked[len(ranked) // 2], ranked[len(ranked) * 99 // 100]
            yield f"{what}: p50 {middle:.1f} ms, p99 {high:.1f} ms, at most {ranked[-1]:.1f} ms"


async def _play(
    stub: conversations_pb2_grpc.ConversationsStub, policy: str, language: str, agent: str, line: Line
) -> Played:
    name, said = str(uuid.uuid4()), str(uuid.uuid4())
    try:
        await _turn(stub, name, str(uuid.uuid4()), start_request(policy, channel="chat", language=language))
        began = time.perf_counter()
        response = await _turn(stub, name, said, pb.TurnRequest(utterance=pb.Utterance(text=line.text)))
        took = (time.perf_counter() - began) * 1000
        explained = await stub.Explain(pb.ExplainRequest(conversation_id=name, request_id=said), timeout=TURN_SECONDS)
        if not response.over:
            await _turn(stub, name, str(uuid.uuid4()), pb.TurnRequest(hangup=pb.Hangup()))
    except grpc.aio.AioRpcError as error:
        return Played(line, (f"refused: {error.code().name}: {error.details()}",), False, None, None, ())
    decisions = explained.decisions
    fields = [one for decision in decisions if decision.event == agent for one in decision.fields]
    return Played(
        line=line,
        decided=tuple(spelled(act) for act in response.acts),
        answered=bool(response.acts) and not any(decision.HasField("incident") for decision in decisions),
        understood=next((one.value.symbol for one in fields if one.name == "intent"), None),
        took_ms=took,
        deciding_ms=tuple(milliseconds(decision.deciding) for decision in decisions),
    )


async def _turn(
    stub: conversations_pb2_grpc.ConversationsStub, conversation: str, request_id: str, event: pb.TurnRequest
) -> pb.TurnResponse:
    request = pb.TurnRequest(conversation_id=conversation, request_id=request_id)
    request.MergeFrom(event)
    return await stub.Turn(request, timeout=TURN_SECONDS)


def _rows(path: Path, *columns: str) -> list[tuple[int, dict[str, str]]]:
    """The rows, each with the line in the file at which it ends; there is one at least."""
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for column in columns:
                if column not in (reader.fieldnames or ()):
                    raise InvalidUtterances(f"{path}: there is no column `{column}`")
            for row in reader:
                if short := next((column for column in columns if row[column] is None), None):
                    raise InvalidUtterances(f"{path}:{reader.line_num}: the column `{short}` is missing")
                rows.append((reader.line_num, row))
    except OSError as error:
        raise InvalidUtterances(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidUtterances(f"{path}: is no CSV file in UTF-8: {error}") from error
    if not rows:
        raise InvalidUtterances(f"{path}: there is no line in it")
    return rows
