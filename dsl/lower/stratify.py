"""The order in which the clauses of one kind of event are evaluated.

A clause that reads the final value of a fact comes after every other clause that may write it; a clause that can be
overridden comes after those that override it. Strata only order evaluation: what is in one stratum is independent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from charter.dsl import program as p
from charter.dsl.diagnostics import Code, Related
from charter.dsl.lower.findings import Findings
from charter.dsl.program import Clause, EventKind, Expr, Variable
from charter.dsl.source import Span


def stratify(
    clauses: tuple[Clause, ...], kind: EventKind, spans: Mapping[str, Span], findings: Findings
) -> tuple[tuple[Clause, ...], ...]:
    """The strata; clauses that wait for each other are reported, and none of them is kept."""
    writers: dict[Variable, list[str]] = {}
    for clause in clauses:
        for write in clause.writes:
            writers.setdefault(write.variable, []).append(clause.rule)
    waits_for = {clause.rule: _before(clause, writers) for clause in clauses}
    by_name = {clause.rule: clause for clause in clauses}
    strata: list[tuple[Clause, ...]] = []
    placed: set[str] = set()
    while len(placed) < len(clauses):
        ready = [c for c in clauses if c.rule not in placed and waits_for[c.rule].keys() <= placed]
        if not ready:
            _report(_cycle(waits_for, placed), waits_for, by_name, kind, spans, findings)
            return tuple(strata)
        strata.append(tuple(ready))
        placed.update(clause.rule for clause in ready)
    return tuple(strata)


def final_reads(clause: Clause) -> frozenset[Variable]:
    """The facts whose final values a clause reads."""
    exprs: list[object] = [clause.guard, *(w.value for w in clause.writes)]
    for site in clause.acts:
        exprs += [value for _, value in site.args]
        exprs += [site.reason] if site.reason is not None else []
    reads = (read for expr in exprs for read in reads_in(expr))
    return frozenset(read.variable for read in reads if not read.old)


def reads_in(node: object) -> Iterator[p.Read]:
    """Every read of a variable in an expression."""
    if isinstance(node, p.Read):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from reads_in(item)
    elif is_dataclass(node) and isinstance(node, Expr):
        for field in fields(node):
            yield from reads_in(getattr(node, field.name))


def _before(clause: Clause, writers: Mapping[Variable, list[str]]) -> dict[str, str]:
    """The rules that must be evaluated first, each with the reason, for people."""
    first = {rule: f"`{rule}` overrides `{clause.rule}`" for rule in clause.overridden_by}
    for variable in sorted(final_reads(clause) & writers.keys()):
        for rule in writers[variable]:
            if rule != clause.rule:
                first.setdefault(rule, f"`{rule}` writes `{variable}`, which `{clause.rule}` reads")
    return first


def _cycle(waits_for: dict[str, dict[str, str]], placed: set[str]) -> list[str]:
    """A shortest cycle among the rules that are not placed."""
    best: list[str] = []
    for start in waits_for:
        if start in placed:
            continue
        paths, seen = [[start]], {start}
        while paths and not (best and len(paths[0]) >= len(best)):
            path = paths.pop(0)
            for rule in waits_for[path[-1]]:
                if rule == start:
                    best = path if not best or len(path) < len(best) else best
                elif rule not in seen and rule not in placed:
                    seen.add(rule)
                    paths.append([*path, rule])
    return best


def _report(
    cycle: list[str],
    waits_for: dict[str, dict[str, str]],
    by_name: dict[str, Clause],
    kind: EventKind,
    spans: Mapping[str, Span],
    findings: Findings,
) -> None:
    related = []
    facts: list[str] = []
    for rule, first in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        reason = waits_for[rule][first]
        related.append(Related(spans[first], reason))
        facts += [w.variable for w in by_name[first].writes if f"writes `{w.variable}`" in reason]
    names = " and ".join(f"`{rule}`" for rule in cycle)
    message = f"on `{kind}`, {names} wait for each other"
    help_ = (
        f"read the old value in one of them: `was {facts[0]}`" if facts else "let one of them override the other only"
    )
    findings.error(Code.CYCLE, message, spans[cycle[0]], help_, related)
