"""What a picture of a policy shows: for each kind of event, its rules by stratum and the facts between them."""

from collections.abc import Iterator
from dataclasses import dataclass

from charter.dsl.lower.stratify import final_reads, reads_in
from charter.dsl.program import ActKind, Clause, EventKind, Program, Role, Variable


@dataclass(frozen=True, slots=True)
class RuleBox:
    """A rule: what it does, and the facts that it reads without waiting for a rule of this event."""

    name: str
    acts: tuple[str, ...]
    reads: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Kinds of event on which the same happens, and the strata of their rules, in the order of evaluation.

    `writes` are rules and the facts that they may write; `reads` facts and the rules that wait for their final values;
    `overrides` rules and those that do not fire if they do.
    """

    kinds: tuple[EventKind, ...]
    strata: tuple[tuple[RuleBox, ...], ...]
    writes: tuple[tuple[str, Variable], ...]
    reads: tuple[tuple[Variable, str], ...]
    overrides: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        """The kinds of event, as rules name them."""
        return ", ".join(self.kinds)


def panels(program: Program) -> list[Panel]:
    """A panel for each kind of event that has rules, in order; kinds that look the same share one."""
    found: dict[tuple[object, ...], Panel] = {}
    for kind, strata in program.strata.items():
        if not any(strata):
            continue
        panel = _panel(program, kind, strata)
        key = (panel.strata, panel.writes, panel.reads, panel.overrides)
        kinds = (*found[key].kinds, kind) if key in found else (kind,)
        found[key] = Panel(kinds, panel.strata, panel.writes, panel.reads, panel.overrides)
    return list(found.values())


def _panel(program: Program, kind: EventKind, strata: tuple[tuple[Clause, ...], ...]) -> Panel:
    facts = {name for name, info in program.variables.items() if info.role is Role.FACT}
    clauses = [clause for stratum in strata for clause in stratum]
    writes = [(c.rule, w.variable) for c in clauses for w in c.writes]
    written = {variable for _, variable in writes}
    writers = {variable: {rule for rule, v in writes if v == variable} for variable in written}
    awaited = {c.rule: sorted(v for v in final_reads(c) & written if writers[v] != {c.rule}) for c in clauses}
    boxes = tuple(tuple(_box(c, facts, awaited[c.rule]) for c in stratum) for stratum in strata)
    reads = tuple((variable, c.rule) for c in clauses for variable in awaited[c.rule])
    overrides = tuple((rule, c.rule) for c in clauses for rule in c.overridden_by)
    return Panel((kind,), boxes, tuple(dict.fromkeys(writes)), reads, overrides)


def _box(clause: Clause, facts: set[Variable], awaited: list[Variable]) -> RuleBox:
    read = {read.variable for expr in _exprs(clause) for read in reads_in(expr)}
    acts = [f"set {write.variable}" for write in clause.writes]
    acts += [f"{site.kind} {site.name}".strip() for site in clause.acts if site.kind is not ActKind.EXHAUSTED]
    return RuleBox(clause.rule, tuple(dict.fromkeys(acts)), tuple(sorted((read & facts) - set(awaited))))


def _exprs(clause: Clause) -> Iterator[object]:
    yield clause.guard
    yield from (write.value for write in clause.writes)
    for site in clause.acts:
        yield from (value for _, value in site.args)
        yield site.reason
