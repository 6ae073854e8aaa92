"""The rule kernel: durable-rules decides which clauses fire, stratum by stratum. Nothing else imports it.

It speaks a small dialect of durable-rules, because much of the library fails silently: the extension module directly,
one session, one message at a time which is retracted afterwards, integers only, no joins, no events, no callbacks, no
timers. A group of rules has run to quiescence if its sentinel fired last, once; every status is looked at.
"""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, pthread_sigmask
from typing import Any, TypeAlias

from durable_rules_engine import (
    assert_fact,
    complete_and_start_action,
    create_ruleset,
    error,
    retract_fact,
    start_action_for_state,
)

from charter.dsl.program import Event, EventKind, Program, State
from charter.engine.evaluator import Executed, execute
from charter.engine.evaluator_program import CompiledClause, Evaluator, Seen, compiled
from charter.engine.evaluator_source import Source
from charter.engine.rule_kernel_groups import Group, Loaded, Place, groups_of, rulesets
from charter.engine.rule_kernel_messages import message, trial

_RETRACTED = '{"sid":1,"id":1}'


class KernelFault(Exception):
    """The library did not do what a message asks of it. The kernel it happened in cannot be trusted any more."""


def load(program: Program, *, within: float = 30.0) -> "RuleKernel":
    """A kernel for the program, tried first in a process of its own: one that crashes or hangs there is never served.

    Raises `KernelFault` saying what happened, `within` seconds at most after the call.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    trial = context.Process(target=_try, args=(program, sender), daemon=True)
    masked = pthread_sigmask(SIG_BLOCK, {SIGINT})  # the trial is not to see Ctrl-C
    trial.start()
    pthread_sigmask(SIG_SETMASK, masked)
    sender.close()
    try:
        answer = receiver.recv() if receiver.poll(within) else f"it did not load within {within:g} s"
    except EOFError:
        trial.join()
        answer = f"the process that tried it ended with {trial.exitcode}"
    finally:
        trial.kill()
        trial.join()
        receiver.close()
    if answer is not None:
        raise KernelFault(f"policy `{program.name}` cannot be loaded: {answer}")
    return RuleKernel(program)


def _try(program: Program, sender: Any) -> None:
    """Loads the program, runs every group once, and sends None or what went wrong."""
    try:
        RuleKernel(program).probe()
    except Exception as fault:  # the parent process reports it
        sender.send(f"{type(fault).__name__}: {fault}")
    else:
        sender.send(None)


Message: TypeAlias = Callable[[State, State, Seen, int, set[str]], str]


@dataclass(frozen=True, slots=True)
class _Group:
    """A group, loaded: what writes its messages, one to try it with, and what the names that answer mean."""

    handle: int
    message: Message
    trial: str
    meaning: Mapping[str, tuple[tuple[CompiledClause, ...], bool]]
    sentinel: str


class RuleKernel:
    """One program in this process. Not for two threads at once: a ruleset holds one message at a time."""

    __slots__ = ("_evaluator", "_groups", "_repeating")

    def __init__(self, program: Program) -> None:
        self._evaluator = compiled(program)
        self._groups = _loaded(program, self._evaluator)
        self._repeating = {place for place, stratum in self._groups.items() if _repeats(stratum)}

    def step(self, state: State, event: Event) -> Executed:
        """What `event` does to a conversation in `state`. After a `KernelFault` the kernel must be replaced."""
        return execute(self._evaluator, state, event, self._fire)

    def probe(self) -> None:
        """Asks every group once, with every signal 0; raises `KernelFault` if one does not run to quiescence."""
        for stratum in self._groups.values():
            for group in stratum:
                _ask(group, group.trial)

    def _fire(
        self,
        kind: EventKind,
        stratum: int,
        old: State,
        final: State,
        fields: Seen,
        now: int,
        fired: set[str],
        /,
    ) -> tuple[Sequence[CompiledClause], Sequence[CompiledClause]]:
        fires: list[CompiledClause] = []
        beaten: list[CompiledClause] = []
        for group in self._groups[kind, stratum]:
            for name in _ask(group, group.message(old, final, fields, now, fired)):
                clauses, firing = group.meaning[name]
                if firing:
                    fires += clauses
                else:
                    beaten += clauses
        if (kind, stratum) in self._repeating:
            return _once(fires), _once(beaten)
        return fires, beaten


def _once(clauses: Sequence[CompiledClause]) -> Sequence[CompiledClause]:
    return list({clause.turn: clause for clause in clauses}.values())


def _ask(group: _Group, message: str) -> list[str]:
    """The rules that this message fires, in order and without the sentinel, which fired last."""
    try:
        return _answers(group, message)
    except (error, MemoryError) as failure:
        raise KernelFault(str(failure) or "the library ran out of memory") from failure


def _answers(group: _Group, message: str) -> list[str]:
    handle = group.handle
    status, session = assert_fact(handle, message)
    if status != 0:
        raise KernelFault(f"a message was answered with status {status}")
    started = start_action_for_state(handle, session)
    if started is None:
        raise KernelFault("a message fired nothing, not even the sentinel")
    names: list[str] = []
    answer = started[1]
    for _ in range(len(group.meaning) + 1):
        names.append(answer[2:6])
        answer = complete_and_start_action(handle, session)
        if answer is None:
            break
    else:
        raise KernelFault("a rule fired twice")
    if names.pop() != group.sentinel or group.sentinel in names:
        raise KernelFault("the sentinel did not fire last, once")
    status, _ = retract_fact(handle, _RETRACTED)
    if status != 0:
        raise KernelFault(f"a message was retracted with status {status}")
    return names


# --- loading ---------------------------------------------------------------------------------------------------------


def _repeats(stratum: Sequence[_Group]) -> bool:
    """Whether a clause of the stratum has several rules, of which more than one may fire."""
    turns = [clause.turn for group in stratum for clauses, _ in group.meaning.values() for clause in clauses]
    return len(turns) > len(set(turns))


def _loaded(program: Program, evaluator: Evaluator) -> Mapping[Place, tuple[_Group, ...]]:
    """Creates the rulesets of the program, and compiles the signals that they test."""
    grouped = groups_of(program)
    definitions, places = rulesets(group for stratum in grouped.values() for group in stratum)
    handles = [create_ruleset(f"r{i}", text) for i, text in enumerate(definitions)]
    source = Source(program)
    loaded = iter(places)
    standing = {place: [(group, next(loaded)) for group in stratum] for place, stratum in grouped.items()}
    names = {
        place: [message(source, program, place, group, at.gate) for group, at in stratum]
        for place, stratum in standing.items()
    }
    functions: Mapping[str, Message] = source.compiled()
    return {
        place: tuple(
            _group(group, at, functions[name], handles[at.ruleset], evaluator.kinds[place[0]].strata[place[1]])
            for (group, at), name in zip(stratum, names[place], strict=True)
        )
        for place, stratum in standing.items()
    }


def _group(group: Group, at: Loaded, message: Message, handle: int, stratum: Sequence[CompiledClause]) -> _Group:
    return _Group(
        handle=handle,
        message=message,
        trial=trial(group, at.gate),
        meaning={
            name: (tuple(stratum[i] for i in rule.positions), rule.fires)
            for name, rule in zip(at.names, group.rules, strict=True)
        },
        sentinel=at.sentinel,
    )
