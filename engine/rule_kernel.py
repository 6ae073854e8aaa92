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
from charter.engine.evaluator_program import Seen, compiled
from charter.engine.evaluator_source import SCOPE, Source
from charter.engine.rule_kernel_groups import (
    GATE,
    Beaten,
    Group,
    Loaded,
    Number,
    Ordinal,
    Place,
    groups_of,
    property_name,
    rulesets,
)

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


Signals: TypeAlias = Callable[[State, State, Seen, int, set[str]], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Group:
    """A group, loaded: the message that asks it, and what the names that answer mean."""

    handle: int
    message: str
    signals: Signals
    meaning: Mapping[str, tuple[int, bool]]
    sentinel: str


class RuleKernel:
    """One program in this process. Not for two threads at once: a ruleset holds one message at a time."""

    __slots__ = ("_evaluator", "_groups")

    def __init__(self, program: Program) -> None:
        self._evaluator = compiled(program)
        self._groups = _loaded(program)

    def step(self, state: State, event: Event) -> Executed:
        """What `event` does to a conversation in `state`. After a `KernelFault` the kernel must be replaced."""
        return execute(self._evaluator, state, event, self._fire)

    def probe(self) -> None:
        """Asks every group once, with every signal 0; raises `KernelFault` if one does not run to quiescence."""
        for stratum in self._groups.values():
            for group in stratum:
                _ask(group, group.message % ((0,) * group.message.count("%d")))

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
    ) -> tuple[Sequence[int], Sequence[int]]:
        fires: set[int] = set()
        beaten: set[int] = set()
        for group in self._groups[kind, stratum]:
            for name in _ask(group, group.message % group.signals(old, final, fields, now, fired)):
                position, firing = group.meaning[name]
                (fires if firing else beaten).add(position)
        return sorted(fires) if fires else (), sorted(beaten) if beaten else ()


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
    while answer is not None:
        names.append(answer[2:6])
        if len(names) > len(group.meaning) + 1:
            raise KernelFault("a rule fired twice")
        answer = complete_and_start_action(handle, session)
    if names.pop() != group.sentinel or group.sentinel in names:
        raise KernelFault("the sentinel did not fire last, once")
    status, _ = retract_fact(handle, _RETRACTED)
    if status != 0:
        raise KernelFault(f"a message was retracted with status {status}")
    return names


# --- loading ---------------------------------------------------------------------------------------------------------


def _loaded(program: Program) -> Mapping[Place, tuple[_Group, ...]]:
    """Creates the rulesets of the program, and compiles the signals that they test."""
    grouped = groups_of(program)
    definitions, places = rulesets(group for stratum in grouped.values() for group in stratum)
    handles = [create_ruleset(f"r{i}", text) for i, text in enumerate(definitions)]
    source = Source(program)
    names = {place: [_signals(source, program, place, group) for group in s] for place, s in grouped.items()}
    functions: Mapping[str, Signals] = source.compiled()
    loaded = iter(places)
    return {
        place: tuple(
            _group(group, functions[name], next(loaded), handles)
            for group, name in zip(stratum, names[place], strict=True)
        )
        for place, stratum in grouped.items()
    }


def _group(group: Group, signals: Signals, loaded: Loaded, handles: Sequence[int]) -> _Group:
    properties = "".join(f',"{property_name(i)}":%d' for i in range(len(group.signals)))
    return _Group(
        handle=handles[loaded.ruleset],
        message=f'{{"sid":1,"id":1,"{GATE}":{loaded.gate}{properties}}}',
        signals=signals,
        meaning={name: (rule.position, rule.fires) for name, rule in zip(loaded.names, group.rules, strict=True)},
        sentinel=loaded.sentinel,
    )


def _signals(source: Source, program: Program, place: Place, group: Group) -> str:
    """The name of a function that computes a group's signals."""
    kind, _ = place
    fields = dict(program.events[kind].fields)
    parts = []
    for signal in group.signals:
        match signal:
            case Number(expr):
                parts.append(source.number(expr, fields))
            case Ordinal(expr, type_):
                ordinals = dict(zip((None, *type_.values), range(len(type_.values) + 1), strict=True))
                parts.append(f"{source.constant(ordinals)}[{source.expression(expr, fields)}]")
            case Beaten(rules):
                parts.append(f"(not {source.constant(frozenset(rules))}.isdisjoint(fired))")
    return source.function(f"{SCOPE}, fired", [f"return ({''.join(f'{part}, ' for part in parts)})"])
