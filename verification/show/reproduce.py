"""The `test` block that plays a counterexample, ready to be put into the policy."""

from dataclasses import replace

from charter.dsl.program import Event, Program
from charter.dsl.scenarios import EPOCH, PACE
from charter.dsl.session import begin, feed
from charter.dsl.syntax.tokens import quoted
from charter.dsl.types import OptionalType, Type, Value
from charter.dsl.values import duration_text
from charter.verification.show.transcript import literal


def test_block(program: Program, events: tuple[Event, ...], goal: str) -> str | None:
    """The block; None where a recorded conversation cannot come to this, since events follow each other otherwise.

    Where a test cannot begin as early as the conversation does, the same one that begins later is tried.
    """
    block = _block(program, events, goal)
    if block is not None or not events or events[0].now >= EPOCH:
        return block
    later = tuple(replace(event, now=event.now - events[0].now + EPOCH) for event in events)
    return _block(program, later, goal)


def _block(program: Program, events: tuple[Event, ...], goal: str) -> str | None:
    lines = [f'test "{goal} is broken"']
    session, now, broken = begin(program), EPOCH, False
    left = list(events)
    while left:
        event = left.pop(0)
        if event.now < now or (event.now > now and now == EPOCH):
            return None
        if event.now > now:
            lines.append(f"  wait {duration_text(event.now - now)}")
        lines.append(f"  on {written(program, event)}")
        session, steps = feed(program, session, event)
        taken = [step.event for step in steps]
        if taken[:1] != [event]:
            return None
        for implied in taken[1:]:
            if not left or (left[0].kind, left[0].fields) != (implied.kind, implied.fields):
                return None
            left.pop(0)
        broken = any(b.requirement == goal for b in steps[-1].outcome.broken)
        now = event.now + PACE
    if not broken or goal not in {requirement.name for requirement in program.requirements}:
        return None
    return "\n".join([*lines, f"  expect broken {goal}"])


def written(program: Program, event: Event) -> str:
    """An event as a test writes it after `on`."""
    types = dict(program.events[event.kind].fields)
    positional = {"utterance": "text", "keys": "digits"}.get(event.kind)
    first = f" {quoted(str(event.fields[positional]))}" if positional else ""
    usual = {"channel": "voice", "language": program.languages[0]} if event.kind == "start" else {}
    rest = {n: v for n, v in event.fields.items() if n != positional and (n not in usual or usual[n] != v)}
    written = ", ".join(f"{n}: {literal(v, types[n])}" for n, v in rest.items() if not _is_left_out(v, types[n]))
    return f"{event.kind}{first}" + (f"({written})" if written else "")


def _is_left_out(value: Value, type_: Type) -> bool:
    """What a test may leave out: what is unknown."""
    return value is None and isinstance(type_, OptionalType)
