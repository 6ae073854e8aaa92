"""The acts of a step: what each rule that fires does, in leaving order, and what of it may not leave."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from charter.dsl.program import (
    LEAVING_RANK,
    ActKind,
    ActSite,
    Program,
    Speech,
    Variable,
    exhausted,
    tried,
    type_of,
    used,
)
from charter.dsl.types import Type
from charter.verification.certificate.columns import Columns, equal
from charter.verification.certificate.expressions import Expressions, Scope
from charter.verification.certificate.script import FALSE, ONE, Script, Term, number


@dataclass(frozen=True, slots=True)
class Act:
    """An act that leaves where `leaves` holds."""

    kind: ActKind
    name: str
    args: Mapping[str, Columns]
    types: Mapping[str, Type]
    leaves: Term


def wanted(
    write: Expressions, program: Program, sites: Iterable[tuple[ActSite, Term]], scope: Scope, here: Term
) -> list[Act]:
    """The acts that rules want, each site with whether its rule fires; of equal ones only the first is left.

    Where a step ends the conversation or transfers it, asks and collects stay. `here`: anything can leave at all.
    """
    script = write.script
    alike: dict[tuple[ActKind, str], list[Act]] = {}
    acts: list[Act] = []
    for site, fires in sorted(sites, key=lambda each: (LEAVING_RANK[each[0].kind], each[0].place)):
        types = _types(program, site)
        args = {name: write.as_(types[name], value, scope) for name, value in site.args}
        act = Act(site.kind, site.name, args, types, script.and_((fires, here)))
        before = alike.setdefault((site.kind, site.name), [])
        same = script.or_([script.and_((earlier.leaves, _same(script, earlier, act))) for earlier in before])
        before.append(act)
        acts.append(replace(act, leaves=script.and_((act.leaves, script.not_(same)))))
    goes_on = script.not_(script.or_(act.leaves for act in acts if act.kind in (ActKind.ESCALATE, ActKind.END)))
    return [
        replace(act, leaves=script.and_((act.leaves, goes_on))) if act.kind in (ActKind.ASK, ActKind.COLLECT) else act
        for act in acts
        if act.leaves != FALSE
    ]


def within_bounds(
    script: Script, program: Program, acts: Iterable[Act], old: Mapping[Variable, Columns]
) -> tuple[list[Act], Term]:
    """What leaves of the acts, asks and calls beyond their bounds as exhausted; and whether one is beyond even that.

    A transfer beyond its bound is.
    """
    bounds = {name: agent.uses for name, agent in program.agents.items()}
    bounds |= {name: tool.uses for name, tool in program.tools.items()}
    spent: dict[str, Term] = {}
    out: dict[str, Term] = {}
    leaving: list[Act] = []
    excess: list[Term] = []
    for act in acts:
        if act.kind is ActKind.ESCALATE:
            free = script.lt(old[tried(act.name)][""], number(program.queues[act.name].uses))
            leaving.append(replace(act, leaves=script.and_((act.leaves, free))))
            excess.append(script.and_((act.leaves, script.not_(free))))
            continue
        if act.kind not in (ActKind.ASK, ActKind.CALL):
            leaving.append(act)
            continue
        so_far = spent.get(act.name, old[used(act.name)][""])
        was_out = out.get(act.name, old[exhausted(act.name)][""])
        free = script.lt(so_far, number(bounds[act.name]))
        goes = script.and_((act.leaves, free))
        beyond = script.and_((act.leaves, script.not_(free)))
        fails = script.and_((beyond, script.not_(was_out)))
        leaving += [replace(act, leaves=goes), replace(act, kind=ActKind.EXHAUSTED, leaves=fails)]
        excess.append(script.and_((beyond, was_out)))
        spent[act.name] = script.ite(goes, script.arithmetic("+", so_far, ONE), so_far)
        out[act.name] = script.or_((was_out, fails))
    return [act for act in leaving if act.leaves != FALSE], script.or_(excess)


def excluded(script: Script, program: Program, acts: Sequence[Act]) -> Term:
    """Whether acts leave together that may not."""
    found: list[Term] = []
    for kind in (ActKind.ESCALATE, ActKind.COLLECT):
        alike = [act for act in acts if act.kind is kind]
        found += [script.and_((a.leaves, b.leaves)) for i, a in enumerate(alike) for b in alike[:i]]
    against = [
        act.leaves
        for act in acts
        if act.kind is ActKind.ESCALATE or (act.kind is ActKind.CALL and program.tools[act.name].writes)
    ]
    ends = script.or_(act.leaves for act in acts if act.kind is ActKind.END)
    return script.or_((*found, script.and_((ends, script.or_(against)))))


def _types(program: Program, site: ActSite) -> Mapping[str, Type]:
    """The declared types of the arguments; those of a note or a timer are as they are written."""
    if site.kind is ActKind.CALL:
        return dict(program.tools[site.name].args)
    speech = program.speech.get((site.kind, site.name))
    return dict(speech.slots) if isinstance(speech, Speech) else {name: type_of(value) for name, value in site.args}


def _same(script: Script, a: Act, b: Act) -> Term:
    return script.and_(equal(script, a.types[name], a.args[name], b.args[name]) for name in a.args)
