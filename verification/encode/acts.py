"""The acts of a step as terms: each site in its one static order, with the condition that it leaves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from charter.dsl import program as p
from charter.dsl.program import LEAVING_RANK, SAFE_STOPS, ActKind, Program, Variable, exhausted, tried, used
from charter.dsl.types import DURATION, TextType, Type
from charter.verification.encode.expressions import Scope, encoded
from charter.verification.encode.symbols import Symbol, equal, fitted, inhabited, scalar
from charter.verification.encode.terms import FALSE, Graph, Term


@dataclass(frozen=True, slots=True)
class Leaving:
    """An act that leaves where `leaves` holds, with these arguments."""

    kind: ActKind
    name: str
    args: Mapping[str, Symbol]
    leaves: Term


def acts_of(
    graph: Graph, program: Program, fired: Iterable[tuple[p.Clause, Term]], scope: Scope
) -> tuple[Leaving, ...]:
    """What the rules want to do, in leaving order; equal acts are one act, and an end drops asks and collects."""
    sites = [(site, fires) for clause, fires in fired if fires != FALSE for site in clause.acts]
    sites.sort(key=lambda each: (LEAVING_RANK[each[0].kind], each[0].place))
    wanted: list[Leaving] = []
    acts: list[Leaving] = []
    for site, fires in sites:
        types = arguments(program, site.kind, site.name)
        args = {name: fitted(encoded(graph, value, scope), types[name]) for name, value in site.args}
        same = [graph.and_(w.leaves, _equal(graph, w.args, args)) for w in wanted if _alike(w, site)]
        wanted.append(Leaving(site.kind, site.name, args, fires))
        acts.append(Leaving(site.kind, site.name, args, graph.and_(fires, graph.not_(graph.or_(*same)))))
    ending = graph.or_(*(act.leaves for act in acts if act.kind in (ActKind.ESCALATE, ActKind.END)))
    stays = graph.not_(ending)
    return tuple(
        replace(act, leaves=graph.and_(act.leaves, stays)) if act.kind in (ActKind.ASK, ActKind.COLLECT) else act
        for act in acts
    )


def outside(graph: Graph, fired: Iterable[tuple[p.Clause, Term]], scope: Scope) -> list[Term]:
    """For each argument that is computed, whether it leaves the range of its type."""
    found: list[Term] = []
    for clause, fires in fired:
        for _, value in (arg for site in clause.acts for arg in site.args if p.unchecked(arg[1])):
            inside = inhabited(graph, encoded(graph, value, scope), p.type_of(value))
            found.append(graph.and_(fires, graph.not_(inside)))
    return found


def within_bounds(
    graph: Graph, program: Program, acts: Sequence[Leaving], old: Mapping[Variable, Symbol]
) -> tuple[tuple[Leaving, ...], list[Term]]:
    """Asks and calls beyond their bound are exhausted, once a turn; and whether each act is one more beyond that."""
    uses = {name: agent.uses for name, agent in program.agents.items()}
    uses |= {name: tool.uses for name, tool in program.tools.items()}
    spent = {name: scalar(old[used(name)]) for name in uses}
    out = {name: scalar(old[exhausted(name)]) for name in uses}
    leaving: list[Leaving] = []
    excess: list[Term] = []
    for act in acts:
        if act.kind is ActKind.ESCALATE:
            free = graph.le(scalar(old[tried(act.name)]), graph.const(program.queues[act.name].uses - 1))
            excess.append(graph.and_(act.leaves, graph.not_(free)))
            leaving.append(replace(act, leaves=graph.and_(act.leaves, free)))
            continue
        if act.kind not in (ActKind.ASK, ActKind.CALL):
            leaving.append(act)
            continue
        name = act.name
        left = graph.le(spent[name], graph.const(uses[name] - 1))
        leaves = graph.and_(act.leaves, left)
        beyond = graph.and_(act.leaves, graph.not_(left))
        fails = graph.and_(beyond, graph.not_(out[name]))
        excess.append(graph.and_(beyond, out[name]))
        spent[name] = graph.ite(leaves, graph.add(spent[name], graph.const(1)), spent[name])
        out[name] = graph.or_(out[name], beyond)
        leaving += [replace(act, leaves=leaves), replace(act, kind=ActKind.EXHAUSTED, leaves=fails)]
    return tuple(leaving), excess


def exclusions(graph: Graph, program: Program, acts: Sequence[Leaving]) -> list[Term]:
    """For each two acts that exclude each other, whether both leave."""
    found: list[Term] = []
    for kind in (ActKind.ESCALATE, ActKind.COLLECT):
        alike = [act for act in acts if act.kind is kind]
        found += [graph.and_(a.leaves, b.leaves) for i, a in enumerate(alike) for b in alike[:i]]
    end = graph.or_(*(act.leaves for act in acts if act.kind is ActKind.END))
    for act in acts:
        if act.kind is ActKind.ESCALATE or (act.kind is ActKind.CALL and program.tools[act.name].writes):
            found.append(graph.and_(end, act.leaves))
    return found


def safe_stop(graph: Graph, program: Program, old: Mapping[Variable, Symbol], here: Term) -> list[Leaving]:
    """To a person the first time, the end of the conversation the second; nothing where nobody is `here`."""
    again = graph.above(scalar(old[SAFE_STOPS]), 0)
    return [
        Leaving(ActKind.ESCALATE, program.fallback, {}, graph.and_(here, graph.not_(again))),
        Leaving(ActKind.END, "", {}, graph.and_(here, again)),
    ]


def arguments(program: Program, kind: ActKind, name: str) -> Mapping[str, Type]:
    """The types of an act's arguments."""
    match kind:
        case ActKind.CALL | ActKind.EXHAUSTED:
            return dict(program.tools[name].args) if name in program.tools else {}
        case ActKind.SAY | ActKind.DISCLOSE:
            return dict(program.speech[kind, name].slots)
        case ActKind.TIMER:
            return {"duration": DURATION}
        case ActKind.NOTE:
            return {"text": TextType(2**31)}
        case _:
            return {}


def _alike(act: Leaving, site: p.ActSite) -> bool:
    return act.kind is site.kind and act.name == site.name


def _equal(graph: Graph, left: Mapping[str, Symbol], right: Mapping[str, Symbol]) -> Term:
    return graph.and_(*(equal(graph, left[name], right[name]) for name in left))
