"""The reader of requirements as a judge of fuzzed conversations: it and the monitors must agree on what is broken."""

from collections.abc import Callable
from typing import TypeAlias

from charter.dsl.load import Loaded
from charter.dsl.program import OVER, Event, Program, State
from charter.dsl.semantics import Outcome, step
from charter.dsl.session import begin, feed
from charter.verification.fuzz.play import Fault, Finding
from charter.verification.reader.conditions import SeenStep
from charter.verification.reader.reader import broken
from charter.verification.reader.trace import plain_facts, seen, unenforced, violations

Judge: TypeAlias = Callable[[tuple[Event, ...]], tuple[Finding, ...]]
"""What is found in a conversation as a whole."""


def no_judge(_events: tuple[Event, ...]) -> tuple[Finding, ...]:
    """Finds nothing."""
    return ()


def reader_of(loaded: Loaded) -> Judge:
    """Finds where the reader and the monitors of a policy differ on what is broken first, no safe stop in the way."""
    program, free = loaded.program, unenforced(loaded.program)
    clauses = [clause for file in loaded.files for clause in file.document.clauses]
    initial = plain_facts(program, program.initial)

    def judge(events: tuple[Event, ...]) -> tuple[Finding, ...]:
        trace: list[SeenStep] = []
        watched: list[set[str]] = []

        def execute(free: Program, state: State, event: Event) -> Outcome:
            outcome = step(free, state, event)
            if outcome.dropped is None and not state[OVER]:
                trace.append(seen(free, state, event, outcome))
                watched.append(violations(program, outcome.state))
            return outcome

        try:
            session = begin(free)
            for event in events:
                session, _ = feed(free, session, event, execute)
            read = broken(clauses, initial, trace)
        except Exception as error:  # whatever raises is a mistake of ours, and what is looked for
            return (Finding(Fault.MISREAD, type(error).__name__, f"the reader fails: {error}"),)
        judged = [i for i, at in enumerate(trace) if not at.stopped]  # a safe stop is outside the requirements
        found: list[Finding] = []
        for name, steps in read.items():
            by_reader = next((i for i in judged if i in steps), None)
            by_monitors = next((i for i in judged if name in watched[i]), None)
            if by_reader != by_monitors:
                detail = f"for the reader {_said(trace, by_reader)}, for the monitors {_said(trace, by_monitors)}"
                found.append(Finding(Fault.MISREAD, name, detail))
        return tuple(found)

    return judge


def _said(trace: list[SeenStep], at: int | None) -> str:
    return "not broken" if at is None else f"broken on `{trace[at].event}` (step {at + 1})"
