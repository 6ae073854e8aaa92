"""A picture as constrained Horn clauses, for Z3's engine that finds inductive invariants."""

from charter.verification.encode.smt import Codes, definitions, sort_of
from charter.verification.encode.terms import Graph, Op, Term, mentioned
from charter.verification.prove.localise import INPUT
from charter.verification.prove.machine import Machine
from charter.verification.prove.pictures import Picture


def clauses(machine: Machine, picture: Picture, codes: Codes, lemma: Term) -> str:
    """The rules that derive `bad` exactly if the picture can miss its goal; `inv` ranges over the kept columns.

    `lemma` is known to hold in every state that the picture reaches.
    """
    graph, kept = machine.graph, picture.kept
    domain = graph.and_(machine.always(kept), lemma)
    initial = [machine.initial(column) for column in kept]
    views = [(c.goes, *(c.after.get(column, column) for column in kept)) for c in picture.steps] + [
        (c.goes,) for c in picture.misses
    ]
    roots = [t for view in views for t in view]
    roots += [domain, *initial]
    lines = [f"(declare-rel inv ({' '.join(sort_of(graph.sort[c]) for c in kept)}))", "(declare-rel bad ())"]
    names = {t: variable(graph, t) for t in {*kept, *_variables(graph, roots)}}
    lines += [f"(declare-var {name} {sort_of(graph.sort[t])})" for t, name in sorted(names.items())]
    defined, name = definitions(graph, roots, codes, names.__getitem__, "")
    lines += defined
    here = f"{_applied('inv', [names[c] for c in kept])} {name(domain)}"
    lines.append(f"(rule {_applied('inv', [name(t) for t in initial])})")
    for goes, *after in views[: len(picture.steps)]:
        lines.append(f"(rule (=> (and {here} {name(goes)}) {_applied('inv', [name(t) for t in after])}))")
    for bad, *_ in views[len(picture.steps) :]:
        lines.append(f"(rule (=> (and {here} {name(bad)}) bad))")
    return "\n".join([*lines, "(query bad)"])


def variable(graph: Graph, term: Term) -> str:
    """The name of a variable in a script: of a column, an input, or a text with slots."""
    if graph.op[term] is Op.VAR and graph.name(term).startswith(INPUT):
        return f"i{term}"
    return f"v{term}"


def _variables(graph: Graph, roots: list[Term]) -> list[Term]:
    return [t for t in mentioned(graph, roots) if graph.op[t] in (Op.VAR, Op.RENDER)]


def _applied(name: str, args: list[str]) -> str:
    return f"({name} {' '.join(args)})" if args else name
