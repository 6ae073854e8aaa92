"""The rule kernel: durable-rules decides which clauses fire, stratum by stratum. Nothing else imports it.

It speaks a small dialect of durable-rules, because much of the library fails silently: the extension module directly,
one session, one message at a time which is retracted afterwards, integers only, no joins, no events, no callbacks, no
timers. A group of rules has run to quiescence if its sentinel fired last, once; every status is looked at.
"""

import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from signal import SIG_BLOCK, SIG_SETMASK, SIGINT, pthread_sigmask
from typing import Any

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
    digits,
    groups_of,
    property_name,
    rulesets,
)
from charter.engine.rule_kernel_signals import CanFire, Told, computed

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


@dataclass(frozen=True, slots=True)
class _Group:
    """A group, loaded: how its messages begin, what they tell of each rule, and what the names that answer mean.

    `start` is the bit of its first rule in the stratum; `told` are by the bit that a rule has from there. `zeros` are
    what is told of rules where all that they test is 0.
    """

    handle: int
    start: int
    every: int
    opening: str
    told: Mapping[int, Told]
    zeros: tuple[str, ...]
    meaning: Mapping[str, tuple[tuple[int, ...], bool]]
    sentinel: str


@dataclass(frozen=True, slots=True)
class _Stratum:
    """The clauses of a stratum, its groups, and what computes which of their rules can fire."""

    clauses: tuple[CompiledClause, ...]
    groups: tuple[_Group, ...]
    can_fire: CanFire


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
                for at in range(0, len(group.zeros), MESSAGE_RULES):
                    answers(group, group.opening + "".join(group.zeros[at : at + MESSAGE_RULES]) + "}")

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
        can_fire = here.can_fire(old, final, fields, now, fired)
        if not can_fire:
            return (), ()
        fires: list[int] = []
        beaten: list[int] = []
        for group in here.groups:
            bits = can_fire >> group.start & group.every
            while bits:
                message, bits = told(group, bits, old, final, fields, now, fired)
                for name in answers(group, message):
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


def told(
    group: _Group, bits: int, old: State, final: State, fields: Seen, now: int, fired: set[str]
) -> tuple[str, int]:
    """A message that tells of the first rules with these bits, and the bits of the others."""
    parts, telling = [group.opening], group.told
    while bits and len(parts) <= MESSAGE_RULES:
        bit = bits & -bits
        parts.append(telling[bit](old, final, fields, now, fired))
        bits ^= bit
    return "".join(parts) + "}", bits


def answers(group: _Group, message: str) -> list[str]:
    """The rules that this message fires, in order and without the sentinel, which fired last."""
    try:
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
            if len(names) > len(group.meaning):
                raise KernelFault("a rule fired twice")
            names.append(answer[2:6])
            answer = complete_and_start_action(handle, session)
        if names.pop() != group.sentinel or group.sentinel in names:
            raise KernelFault("the sentinel did not fire last, once")
        status, _ = retract_fact(handle, _RETRACTED)
        if status != 0:
            raise KernelFault(f"a message was retracted with status {status}")
    except (error, MemoryError) as failure:
        raise KernelFault(str(failure) or "the library ran out of memory") from failure
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
        can_fire, telling = names[kind, number]
        starts = [*accumulate((len(group) for group in stratum), initial=0)]
        loaded[kind, number] = _Stratum(
            clauses=evaluator.kinds[kind].strata[number],
            groups=tuple(
                _group(group, next(standing), start, handles, [functions[name] for name in telling[start:]])
                for group, start in zip(stratum, starts, strict=False)
            ),
            can_fire=functions[can_fire],
        )
    return loaded


def _group(group: Group, at: Loaded, start: int, handles: Sequence[int], telling: Iterable[Told]) -> _Group:
    return _Group(
        handle=handles[at.ruleset],
        start=start,
        every=(1 << len(group)) - 1,
        opening=f'{{"sid":1,"id":1,"{GATE}":{at.gate}',
        told={1 << i: told for i, (_, told) in enumerate(zip(group, telling, strict=False))},
        zeros=tuple(f',"{property_name(i)}":{digits([0] * len(rule.leaf))}' for i, rule in enumerate(group)),
        meaning={name: (rule.positions, rule.fires) for name, rule in zip(at.names, group, strict=True)},
        sentinel=at.sentinel,
    )
