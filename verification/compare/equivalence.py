"""Whether two versions of a policy do the same in every conversation: shown once and for all, or not shown.

The steps of both are terms of one graph, and what both remember is the same variables there. So "they stand alike" is
assumed by construction, and what is left to show is that no event makes them act differently or remember anything else,
or only from where no conversation gets. Then they stand alike after it, and so on, for conversations of any length
without an incident.

The books and what requirements remember need no look: they are kept by the same watches in both, which see the event,
the facts and the acts, and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TypeAlias, assert_never

from charter.dsl import program as p
from charter.dsl.program import ActKind, Clause, Event, EventKind, Program, Requirement, Role, Watch
from charter.dsl.source import Span
from charter.verification.encode.acts import Leaving
from charter.verification.encode.encoder import Encoder, Step
from charter.verification.encode.smt import Codes, codes_of, definitions, sort_of
from charter.verification.encode.symbols import Column, Places, Symbol, equal, known_of
from charter.verification.encode.terms import FALSE, Graph, Op, Term, mentioned
from charter.verification.prove.books import books
from charter.verification.prove.facts import Facts
from charter.verification.prove.machine import Goal, Machine, goals_of
from charter.verification.prove.pursue import Budget, Holds, Missed, Undecided, pursue
from charter.verification.prove.solver import Cases, Unsat
from charter.verification.prove.started import needing_start
from charter.verification.workers import Failed, Limits, worked

BUDGET = 20_000_000  # of Z3's own unit of work, for each question
LENGTH = 16  # of a conversation in which the prover looks for a difference


@dataclass(frozen=True, slots=True)
class Identical:
    """The two are the same program, names of rules aside."""


@dataclass(frozen=True, slots=True)
class Equivalent:
    """They act alike on every path without an incident; it rests on requirements that are never broken there."""

    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unshown:
    """It could not be shown, and where it failed; `events` may be a conversation in which they act apart."""

    why: str
    events: tuple[Event, ...] = ()


Equivalence: TypeAlias = Identical | Equivalent | Unshown


def equivalence(old: Program, new: Program, *, beside: Sequence[str] = (), budget: Budget | None = None) -> Equivalence:
    """Whether the two act alike. `beside`: requirements of one of them that are known never to be broken in it."""
    budget = budget or Budget(path=BUDGET, length=LENGTH)
    if normal(old) == normal(new):
        return Identical()
    old, new = _without(old, beside), _without(new, beside)
    obstacle = next(_obstacles(old, new), None)
    if obstacle is not None:
        return Unshown(obstacle)
    before = Encoder(old)
    after = Encoder(new, graph=before.graph)
    differing = [(kind, _differs(before, after, kind)) for kind in old.events]
    graph, columns, codes = before.graph, {**after.columns, **before.columns}, codes_of_both(old, new)
    asked = tuple(
        (kind, differs) for kind, differs in differing if not impossible(graph, columns, differs, codes, budget.path)
    )
    if not asked:
        return Equivalent(tuple(beside))
    more = any(variable not in before.infos for variable in after.infos)
    return _unreachable(after if more else before, asked, codes, budget, beside)


def equivalence_within(limits: Limits, old: Program, new: Program, *, beside: Sequence[str] = ()) -> Equivalence:
    """The same in a process of its own, which may be killed."""
    ((_, found),) = worked((beside,), lambda names: equivalence(old, new, beside=names), limits)
    return Unshown(found.why) if isinstance(found, Failed) else found


def _unreachable(
    encoder: Encoder, asked: tuple[tuple[EventKind, Term], ...], codes: Codes, budget: Budget, beside: Sequence[str]
) -> Equivalence:
    """Whether none of this is true of any step of a version, in any conversation.

    Until they first differ, the two stand alike, so a first difference is a step of either. What only the other one
    remembers may be anything.
    """
    goal = Goal("acting alike", asked=asked)
    goals = (*goals_of(encoder.program), goal)
    facts = Facts(needing_start(encoder))
    facts = replace(facts, clauses=books(encoder, facts, codes, budget.path))
    found = pursue(Machine(encoder, goals, facts), encoder.program, goal, codes, budget)
    match found:
        case Holds():
            return Equivalent(tuple(beside))
        case Missed(events):
            return Unshown(f"`{events[-1].kind}` may lead to something else", events)
        case Undecided(why):
            return Unshown(why)
        case _:
            assert_never(found)


def normal(program: Program) -> object:
    """A program without what makes no difference to a conversation: digests, places in files, names of rules."""
    names = {rule: str(place) for place, rule in enumerate(program.rules)}
    strata = {
        kind: tuple(frozenset(_clause(c, names, _places(found)) for c in stratum) for stratum in found)
        for kind, found in program.strata.items()
    }
    requirements = tuple(replace(r, text="", cites=None, span=None) for r in program.requirements)
    return replace(program, name="", digest="", rules={}, strata={}, requirements=requirements), strata


def watches_of(program: Program, requirement: Requirement) -> tuple[Watch, ...]:
    """What a requirement watches that can come; no rule collects every fact."""
    sites = (site for node in program.strata.values() for s in node for clause in s for site in clause.acts)
    collected = frozenset(site.name for site in sites if site.kind is ActKind.COLLECT)
    found = []
    for watch in requirement.watches:
        match watch.moment:
            case p.Leaving(ActKind.COLLECT, names):
                if names & collected:
                    found.append(replace(watch, moment=p.Leaving(ActKind.COLLECT, names & collected)))
            case _:
                found.append(watch)
    return tuple(found)


# --- the same program ------------------------------------------------------------------------------------------------


def _places(strata: tuple[tuple[Clause, ...], ...]) -> dict[int, int]:
    """The order of acts, as numbers in a row."""
    used = sorted(site.place for stratum in strata for clause in stratum for site in clause.acts)
    return {place: number for number, place in enumerate(used)}


def _clause(clause: Clause, names: dict[str, str], places: dict[int, int]) -> Clause:
    acts = tuple(replace(site, place=places[site.place]) for site in clause.acts)
    overridden = tuple(sorted(names[rule] for rule in clause.overridden_by))
    return replace(clause, rule=names[clause.rule], overridden_by=overridden, acts=acts)


# --- what stands in the way ------------------------------------------------------------------------------------------


def _without(program: Program, beside: Iterable[str]) -> Program:
    """The program without these requirements, and without what they remember."""
    gone = set(beside)
    left = tuple(r for r in program.requirements if r.name not in gone)
    written = {name for r in left for watch in r.watches for name, _ in watch.updates}
    kept = {n: info for n, info in program.variables.items() if info.role is not Role.GHOST or n in written}
    return replace(program, requirements=left, variables=kept)


def _obstacles(old: Program, new: Program) -> Iterator[str]:
    """Why the two cannot be compared step by step."""
    if old.events != new.events:
        kinds = {k for k in {*old.events, *new.events} if old.events.get(k) != new.events.get(k)}
        yield f"what can happen differs: {_listed(kinds)}"
    if (old.bookkeeping, old.waiting) != (new.bookkeeping, new.waiting):
        yield "the books are kept differently"
    before, after = ({r.name: watches_of(one, r) for r in one.requirements} for one in (old, new))
    unlike = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if unlike:
        yield f"requirements differ, and were not shown to hold: {_listed(unlike)}"
    words = {name for _, name in old.speech.keys() & new.speech.keys() if _words(old, name) != _words(new, name)}
    if words:
        yield f"the words of {_listed(words)} differ"
    for name in (n for n in old.variables if n in new.variables and old.variables[n] != new.variables[n]):
        yield f"`{name}` is declared differently"
    outside = ("fallback", "assumptions", "agents", "tools", "queues")
    for field in outside:
        if _meaning(getattr(old, field)) != _meaning(getattr(new, field)):
            yield f"the {field} differ"


def _words(program: Program, name: str) -> list[object]:
    return [speech.texts for (_, each), speech in program.speech.items() if each == name]


def _meaning(node: object) -> object:
    """What a declaration means for a step: how long it may take means nothing."""
    if is_dataclass(node) and not isinstance(node, type | Span):
        return {f.name: getattr(node, f.name) for f in fields(node) if f.name not in ("within", "chain", "defaults")}
    return {key: _meaning(value) for key, value in node.items()} if isinstance(node, dict) else node


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


# --- one step of both ------------------------------------------------------------------------------------------------


def _differs(before: Encoder, after: Encoder, kind: EventKind) -> Term:
    """Whether an event of the kind leads to different acts, facts or incidents, where both stand alike."""
    graph = before.graph
    old, new = before.step(kind), after.step(kind)
    shared = (n for n, i in before.infos.items() if i.role is Role.FACT and n in after.infos)
    facts = [_unequal(graph, old.fired.values[name], new.fired.values[name]) for name in shared]
    stops = graph.not_(graph.eq(_stops(graph, old), _stops(graph, new)))
    differs = graph.or_(*facts, stops, _other_acts(graph, old.acts, new.acts))
    return graph.and_(old.possible, old.ordered, differs)


def _stops(graph: Graph, step: Step) -> Term:
    """Whether the rules do what no policy may do."""
    return graph.or_(*(case for cases in step.broken.values() for case in cases))


def _unequal(graph: Graph, a: Symbol, b: Symbol) -> Term:
    if a == b:
        return FALSE
    assert not isinstance(a, Places)  # no fact is a bag
    return graph.not_(equal(graph, a, b))


def _other_acts(graph: Graph, old: Sequence[Leaving], new: Sequence[Leaving]) -> Term:
    """Whether the acts that leave are not the same in the same order."""
    old, new = ([act for act in acts if act.leaves != FALSE] for acts in (old, new))
    if old == new:
        return FALSE
    at = {id(acts): _positions(graph, acts) for acts in (old, new)}
    unmatched = []
    for i, act in enumerate(old):
        same = [
            graph.and_(
                other.leaves,
                graph.eq(at[id(old)][i], at[id(new)][j]),
                *(equal(graph, act.args[name], other.args[name]) for name in act.args),
            )
            for j, other in enumerate(new)
            if (act.kind, act.name) == (other.kind, other.name)
        ]
        unmatched.append(graph.and_(act.leaves, graph.not_(graph.or_(*same))))
    return graph.or_(*unmatched, graph.not_(graph.eq(at[id(old)][-1], at[id(new)][-1])))


def _positions(graph: Graph, acts: Sequence[Leaving]) -> list[Term]:
    """How many acts leave before each, and in all."""
    found = [graph.const(0)]
    for act in acts:
        found.append(graph.add(found[-1], graph.ite(act.leaves, graph.const(1), graph.const(0))))
    return found


# --- the solver ------------------------------------------------------------------------------------------------------


def impossible(graph: Graph, columns: Mapping[str, Column], condition: Term, codes: Codes, budget: int) -> bool:
    """Whether no values of the variables fulfil a condition, as the solver shows."""
    if condition == FALSE:
        return True
    variables = [t for t in mentioned(graph, [condition]) if graph.op[t] is Op.VAR]
    roots = [condition, *known_of(graph, variables, columns)]
    free = [t for t in mentioned(graph, roots) if graph.op[t] in (Op.VAR, Op.RENDER)]
    lines, name = definitions(graph, roots, codes, lambda t: f"v{t}", "")
    declared = [f"(declare-const v{t} {sort_of(graph.sort[t])})" for t in free]
    asserted = [f"(assert {name(t)})" for t in roots]
    return isinstance(Cases("\n".join([*declared, *lines, *asserted]), budget).ask([], {}), Unsat)


def codes_of_both(old: Program, new: Program) -> Codes:
    """Numbers for the opaque values of two programs."""
    return Codes(tuple(sorted({*codes_of(old).limits, *codes_of(new).limits})))
