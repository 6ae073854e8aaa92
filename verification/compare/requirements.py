"""What two versions of a policy require: what was gained and lost, and whether what changed became weaker or stronger.

A changed requirement implies the one it was if no step of any conversation breaks the old one but not the new one. That
is shown with both looking at the same steps of the new version, where whatever one remembers, the other remembers too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import TypeAlias, TypeVar

from charter.dsl.program import EventKind, Program, Read, Requirement, Variable, VariableInfo, Watch, seen_by
from charter.dsl.source import Span
from charter.verification.compare.equivalence import BUDGET, codes_of_both, impossible, watches_of
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.terms import Sort, Term
from charter.verification.fuzz.reach import nodes
from charter.verification.prove.machine import goal_of

_Node = TypeVar("_Node")


class Change(StrEnum):
    """What became of a requirement."""

    GAINED = "gained"
    LOST = "lost"
    STRONGER = "strengthened"
    WEAKER = "weakened"
    SAME = "put differently"  # each implies the other
    CHANGED = "changed"  # neither was shown to imply the other


@dataclass(frozen=True, slots=True)
class Compared:
    """A requirement that is not what it was. `span`: where it stands, in the new version if it is there."""

    name: str
    change: Change
    text: str
    span: Span | None


def compared(old: Program, new: Program) -> tuple[Compared, ...]:
    """The requirements of which not the same is in both, in the order of the new version; lost ones last."""
    before = {requirement.name: requirement for requirement in old.requirements}
    after = {requirement.name: requirement for requirement in new.requirements}
    found = []
    for name, requirement in after.items():
        if name not in before:
            found.append(Compared(name, Change.GAINED, requirement.text, requirement.span))
        elif watches_of(old, before[name]) != watches_of(new, requirement):
            change = _change(old, new, before[name], requirement)
            found.append(Compared(name, change, requirement.text, requirement.span))
    lost = (r for name, r in before.items() if name not in after)
    return (*found, *(Compared(r.name, Change.LOST, r.text, r.span) for r in lost))


def _change(old: Program, new: Program, before: Requirement, after: Requirement) -> Change:
    if not _understood(old, new, before):
        return Change.CHANGED
    stronger, weaker = (_implies(old, new, before, after, forward=forward) for forward in (True, False))
    if stronger:
        return Change.SAME if weaker else Change.STRONGER
    return Change.WEAKER if weaker else Change.CHANGED


def _understood(old: Program, new: Program, before: Requirement) -> bool:
    """Whether all that the old requirement reads and watches is there in the new version, and the same."""
    ghosts = set(goal_of(old, before).ghosts)
    read = {node.variable for node in nodes(before.watches) if isinstance(node, Read)} - ghosts
    kinds = {EventKind(name) for w in before.watches for what, name in seen_by(w.moment) if what == "on"}
    return all(old.variables[v] == new.variables.get(v) for v in read) and all(
        kind in new.events and old.events[kind].fields == new.events[kind].fields for kind in kinds
    )


def _implies(old: Program, new: Program, before: Requirement, after: Requirement, *, forward: bool) -> bool:
    """Whether the new requirement implies the old one, or if not `forward`, the old one the new one."""
    earlier, ghosts = _renamed(before, old)
    encoder, mine = Encoder(new, ghosts), goal_of(new, after).ghosts
    two = ((after, mine), (earlier, tuple(ghosts)))
    steps = [_judged(encoder, kind, two if forward else (two[1], two[0])) for kind in new.events]
    graph, codes = encoder.graph, codes_of_both(old, new)

    def never(relation: Relation, what: Callable[[_Judged], Term]) -> bool:
        holds = graph.and_(*(graph.implies(a, b) for a, b in relation))
        conditions = (graph.and_(step.comes, holds, graph.not_(step.implying), what(step)) for step in steps)
        return all(impossible(graph, encoder.columns, condition, codes, BUDGET) for condition in conditions)

    def breaks(pair: tuple[Term, Term]) -> Callable[[_Judged], Term]:
        return lambda step: graph.not_(graph.implies(step.after[pair[0]], step.after[pair[1]]))

    relation: Relation = _related(encoder, mine, frozenset(ghosts))
    while (lasting := [pair for pair in relation if never(relation, breaks(pair))]) != relation:
        relation = lasting
    return never(relation, lambda step: step.implied)


Relation: TypeAlias = list[tuple[Term, Term]]
"""Flags of what two requirements remember: wherever the first holds, so does the second."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A step that both requirements look at: whether it comes and breaks each, and what they remember after it."""

    comes: Term
    implying: Term
    implied: Term
    after: Mapping[Term, Term]


def _judged(
    encoder: Encoder, kind: EventKind, requirements: Iterable[tuple[Requirement, tuple[Variable, ...]]]
) -> _Judged:
    step = encoder.step(kind)
    after: dict[Term, Term] = {}
    broken: list[Term] = []
    for requirement, ghosts in requirements:
        breaks, remembered = encoder.judged(step, step.wanted, requirement.watches, ghosts)
        broken.append(breaks)
        for ghost, symbol in remembered.items():
            after |= zip(_columns(encoder, ghost), encoder.flat(ghost, symbol), strict=True)
    return _Judged(encoder.graph.and_(step.possible, step.ordered), broken[0], broken[1], after)


def _related(encoder: Encoder, mine: Iterable[Variable], others: frozenset[Variable]) -> Relation:
    """All that may be true of flags that are remembered under one name and begin alike."""
    pairs = [
        pair
        for ghost in mine
        if _old(ghost) in others and _alike(encoder.infos[ghost], encoder.infos[_old(ghost)])
        for pair in zip(_columns(encoder, ghost), _columns(encoder, _old(ghost)), strict=True)
        if encoder.graph.sort[pair[0]] is Sort.BOOL
    ]
    return [*pairs, *((b, a) for a, b in pairs)]


def _columns(encoder: Encoder, ghost: Variable) -> list[Term]:
    return encoder.flat(ghost, encoder.state[ghost])


def _alike(a: VariableInfo, b: VariableInfo) -> bool:
    return replace(a, name=b.name) == b


def _old(ghost: Variable) -> Variable:
    """What is remembered for the requirement as it was."""
    return Variable(f"{ghost} (old)")


def _renamed(requirement: Requirement, program: Program) -> tuple[Requirement, dict[Variable, VariableInfo]]:
    """A requirement that remembers under other names."""
    ghosts = goal_of(program, requirement).ghosts
    infos = {_old(ghost): replace(program.variables[ghost], name=_old(ghost)) for ghost in ghosts}
    return replace(requirement, watches=_with_names(requirement.watches, frozenset(ghosts))), infos


def _with_names(node: _Node, ghosts: frozenset[Variable]) -> _Node:
    match node:
        case Read(variable) if variable in ghosts:
            return replace(node, variable=_old(variable))
        case Watch(updates=updates):
            renamed = tuple((_old(n) if n in ghosts else n, _with_names(value, ghosts)) for n, value in updates)
            return replace(
                node, when=_with_names(node.when, ghosts), broken=_with_names(node.broken, ghosts), updates=renamed
            )
        case tuple():
            return tuple(_with_names(item, ghosts) for item in node)  # type: ignore[return-value]  # a tuple like the one given
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{f.name: _with_names(getattr(node, f.name), ghosts) for f in fields(node)})
    return node
