"""The rule kernel: durable-rules decides which clauses fire, stratum by stratum. Nothing else imports it.

It speaks a small dialect of durable-rules, because much of the library fails silently: the extension module directly,
one session, one message at a time which is retracted afterwards, integers only, no joins, no events, no callbacks, no
timers. A group of rules has run to quiescence if its sentinel fired last, once; every status is looked at.
"""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, pthread_sigmask
from typing import Any, NamedTuple

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
from charter.engine.rule_kernel_groups import (
    GATE,
    MESSAGE_RULES,
    Group,
    Loaded,
    Place,
    Rule,
    Signal,
    groups_of,
    property_name,
    rulesets,
)
from charter.engine.rule_kernel_signals import Signals, computed, signals_of

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


class _Part(NamedTuple):
    """What a rule adds to a message: a form for the numbers that `picked` picks. `full` is what comes of it where they
    are those that let the rule fire."""

    picked: Callable[[tuple[int, ...]], Any]
    firing: Any
    full: str
    form: str


@dataclass(frozen=True, slots=True)
class _Group:
    """A group, loaded: how its messages begin, and what the names that answer mean.

    `start` is the bit of its first rule in the stratum; `parts` are by the bit that a rule has from there.
    """

    handle: int
    start: int
    every: int
    opening: str
    parts: Mapping[int, _Part]
    meaning: Mapping[str, tuple[tuple[int, ...], bool]]
    sentinel: str


@dataclass(frozen=True, slots=True)
class _Stratum:
    """The clauses of a stratum, its groups, and what computes their signals, of which there are `count`."""

    clauses: tuple[CompiledClause, ...]
    groups: tuple[_Group, ...]
    signals: Signals
    count: int


class RuleKernel:
    """One program in this process. Not for two threads at once: a ruleset holds one message at a time."""

    __slots__ = ("_evaluator", "_strata")

    def __init__(self, program: Program) -> None:
        self._evaluator = compiled(program)
        self._strata = _loaded(program, self._evaluator)

    def step(self, state: State, event: Event) -> Executed:
        """What `event` does to a conversation in `state`. After a `KernelFault` the kernel must be replaced."""
        return execute(self._evaluator, state, event, self._fire)

    def probe(self) -> None:
        """Tells the library of every rule once, with every signal 0; raises `KernelFault` if it does not answer."""
        for stratum in self._strata.values():
            for group in stratum.groups:
                _ask(group, group.every, (0,) * stratum.count)

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
        here = self._strata[kind, stratum]
        can_fire, numbers = here.signals(old, final, fields, now, fired)
        if not can_fire:
            return (), ()
        fires: list[int] = []
        beaten: list[int] = []
        for group in here.groups:
            bits = can_fire >> group.start & group.every
            if not bits:
                continue
            for name in _ask(group, bits, numbers):
                positions, firing = group.meaning[name]
                if firing:
                    fires += positions
                else:
                    beaten += positions
        return _clauses(here, fires), _clauses(here, beaten) if beaten else ()


def _clauses(stratum: _Stratum, positions: Sequence[int]) -> Sequence[CompiledClause]:
    """Each once, as one that can hold in several ways has several rules."""
    ordered = sorted(set(positions)) if len(positions) > 1 else positions
    return [stratum.clauses[i] for i in ordered]


def _ask(group: _Group, bits: int, numbers: tuple[int, ...]) -> list[str]:
    """The rules that fire, of those with these bits."""
    names: list[str] = []
    try:
        while bits:
            message, bits = told(group, bits, numbers)
            names += _answers(group, message)
    except (error, MemoryError) as failure:
        raise KernelFault(str(failure) or "the library ran out of memory") from failure
    return names


def told(group: _Group, bits: int, numbers: tuple[int, ...]) -> tuple[str, int]:
    """A message that tells of the first rules with these bits, and the bits of the others."""
    message = group.opening
    for _ in range(MESSAGE_RULES):
        picked, firing, full, form = group.parts[bits & -bits]
        found = picked(numbers)
        message += full if found == firing else form % found
        bits &= bits - 1
        if not bits:
            break
    return message + "}", bits


def _answers(group: _Group, message: str) -> list[str]:
    """The rules that this message fires, in order and without the sentinel, which fired last."""
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


def _loaded(program: Program, evaluator: Evaluator) -> Mapping[Place, _Stratum]:
    """Creates the rulesets of the program, and compiles what computes their signals."""
    grouped = groups_of(program)
    definitions, places = rulesets(group for stratum in grouped.values() for group in stratum)
    handles = [create_ruleset(f"r{i}", text) for i, text in enumerate(definitions)]
    source = Source(program)
    names = {place: computed(source, program, place, stratum) for place, stratum in grouped.items()}
    functions = source.compiled()
    standing = iter(places)
    loaded = {}
    for (kind, number), stratum in grouped.items():
        index = {signal: i for i, signal in enumerate(signals_of(stratum))}
        starts = accumulate((len(group) for group in stratum), initial=0)
        loaded[kind, number] = _Stratum(
            clauses=evaluator.kinds[kind].strata[number],
            groups=tuple(_group(group, next(standing), next(starts), handles, index) for group in stratum),
            signals=functions[names[kind, number]],
            count=len(index),
        )
    return loaded


def _group(group: Group, at: Loaded, start: int, handles: Sequence[int], index: Mapping[Signal, int]) -> _Group:
    return _Group(
        handle=handles[at.ruleset],
        start=start,
        every=(1 << len(group)) - 1,
        opening=f'{{"sid":1,"id":1,"{GATE}":{at.gate}',
        parts={1 << i: _part(rule, f',"{property_name(i)}":1', index) for i, rule in enumerate(group)},
        meaning={name: (rule.positions, rule.fires) for name, rule in zip(at.names, group, strict=True)},
        sentinel=at.sentinel,
    )


def _part(rule: Rule, opening: str, index: Mapping[Signal, int]) -> _Part:
    form = opening + "%d" * len(rule.leaf)
    firing = tuple(number for _, number in rule.leaf)
    if len(rule.leaf) == 0:
        return _Part(lambda _: (), firing, form, form)
    picked = itemgetter(*(index[signal] for signal, _ in rule.leaf))  # of one place it picks the number itself
    return _Part(picked, firing if len(firing) > 1 else firing[0], form % firing, form)
