"""A program, compiled for the evaluator: for every kind of event the functions that a step calls, in their order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

from charter.dsl.program import (
    FALSE,
    LEAVING_RANK,
    SAFE_STOPS,
    TRUE,
    TURN_OPEN,
    Act,
    ActKind,
    ActSite,
    Arrival,
    Changed,
    Clause,
    Closing,
    Const,
    EventInfo,
    EventKind,
    Expr,
    Finished,
    Leaving,
    Lifetime,
    Moment,
    Opening,
    Program,
    Role,
    Settled,
    State,
    Variable,
    Watch,
    type_of,
    unchecked,
)
from charter.dsl.types import (
    DURATION_MAX,
    TIME_MAX,
    TIME_MIN,
    BagType,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IdType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
)
from charter.engine.evaluator_source import SCOPE, Fields, Source

Variables: TypeAlias = dict[Variable, Value]
Seen: TypeAlias = Mapping[str, Value]
Computed: TypeAlias = Callable[[State, State, Seen, int], Value]
Several: TypeAlias = Callable[[State, State, Seen, int], tuple[Value, ...]]
Identity: TypeAlias = tuple[ActKind, str, tuple[tuple[str, Value], ...]]
Reasons: TypeAlias = tuple[str, ...]
Placed: TypeAlias = tuple[int, tuple[Identity, Act]]
Watches: TypeAlias = Callable[[State, Variables, Seen, int, dict[str, None], bool], None]
"""Runs the watches of a moment on the final variables and names what breaks; requirements only if they are judged."""


@dataclass(frozen=True, slots=True)
class CompiledClause:
    """A clause. `rank` is its rule's place in the program, `order` where its acts stand among those that leave.

    `constant` are its acts if nothing in them is computed, equal ones one object; else `acts` gives them.
    `outside` counts the computed arguments outside their types; None where no argument is computed.
    """

    rule: str
    rank: int
    targets: tuple[Variable, ...]
    values: Several
    order: tuple[int, ...]
    constant: tuple[Placed, ...]
    acts: Callable[[State, State, Seen, int], tuple[tuple[Identity, Reasons], ...]] | None
    outside: Callable[[State, State, Seen, int], int] | None


@dataclass(frozen=True, slots=True)
class CompiledKind:
    """What a step on one kind of event needs. `out_of_range` counts the facts outside their types; None where no fact
    can be. `before` are its watches until acts leave."""

    possible: Computed
    opens: bool  # a turn, with resets, where none is open
    ends: bool
    arriving: tuple[Variable, ...]
    arrive: Several
    strata: tuple[tuple[CompiledClause, ...], ...]
    out_of_range: Callable[[State], int] | None
    before: tuple[Watches, ...]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """A program, compiled."""

    resets: Mapping[Variable, Value]  # of every step, after which the turn is open
    opening: Mapping[Variable, Value]  # of a step that opens a turn
    kinds: Mapping[EventKind, CompiledKind]
    leaving: Mapping[tuple[ActKind, str], Watches]
    finished: tuple[Watches, ...]
    closing: tuple[Watches, ...]
    waiting: Computed
    uses: Mapping[str, int]
    tries: Mapping[str, int]  # of queues
    writing_tools: frozenset[str]
    fallback: str


def compiled(program: Program) -> Evaluator:
    """The program, compiled."""
    source = Source(program)
    watches = {moment: _watches(source, seen) for moment, seen in _by_moment(program).items()}
    kinds = {kind: _kind(source, program, kind, info, watches) for kind, info in program.events.items()}
    waiting = _returning(source, program.waiting, None)
    functions = source.compiled()
    rank = {rule: i for i, rule in enumerate(program.rules)}
    return Evaluator(
        resets={**_initial(program, Lifetime.STEP), TURN_OPEN: True},
        opening={**_initial(program, Lifetime.STEP), **_initial(program, Lifetime.TURN), TURN_OPEN: True},
        kinds={kind: _linked_kind(program, kind, names, functions, rank) for kind, names in kinds.items()},
        leaving={
            (moment.kind, name): functions[function]
            for moment, function in watches.items()
            if isinstance(moment, Leaving)
            for name in moment.names
        },
        finished=tuple(functions[name] for moment, name in watches.items() if moment == Finished()),
        closing=tuple(functions[name] for moment, name in watches.items() if moment == Closing()),
        waiting=functions[waiting],
        uses={n: a.uses for n, a in program.agents.items()} | {n: t.uses for n, t in program.tools.items()},
        tries={name: queue.uses for name, queue in program.queues.items()},
        writing_tools=frozenset(name for name, tool in program.tools.items() if tool.writes),
        fallback=program.fallback,
    )


def _initial(program: Program, lifetime: Lifetime) -> Mapping[Variable, Value]:
    return {name: info.initial for name, info in program.variables.items() if info.lifetime is lifetime}


# --- from names to functions -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _KindNames:
    """The names of one kind's functions; of a clause, those of its values, its acts if something in them is computed,
    and what of them may be outside their types."""

    possible: str
    arrive: str
    strata: tuple[tuple[tuple[str, str | None, str | None], ...], ...]
    out_of_range: str | None
    before: tuple[str, ...]


def _linked_kind(
    program: Program, kind: EventKind, names: _KindNames, functions: Mapping[str, Any], rank: Mapping[str, int]
) -> CompiledKind:
    info, strata = program.events[kind], program.strata[kind]
    made: dict[Act, tuple[Identity, Act]] = {}
    return CompiledKind(
        possible=functions[names.possible],
        opens=info.opening is not Opening.JOINS,
        ends=info.ends,
        arriving=tuple(variable for variable, _ in info.arrives),
        arrive=functions[names.arrive],
        strata=tuple(
            tuple(
                CompiledClause(
                    rule=clause.rule,
                    rank=rank[clause.rule],
                    targets=tuple(write.variable for write in clause.writes),
                    values=functions[values],
                    order=tuple(_order(site) for site in clause.acts),
                    constant=tuple(_constant(clause, made)) if acts is None else (),
                    acts=None if acts is None else functions[acts],
                    outside=None if outside is None else functions[outside],
                )
                for clause, (values, acts, outside) in zip(stratum, own, strict=True)
            )
            for stratum, own in zip(strata, names.strata, strict=True)
        ),
        out_of_range=None if names.out_of_range is None else functions[names.out_of_range],
        before=tuple(functions[name] for name in names.before),
    )


def _order(site: ActSite) -> int:
    """Where an act stands among those that leave: by rank, then by place."""
    return (LEAVING_RANK[site.kind] << 32) + site.place


def _constant(clause: Clause, made: dict[Act, tuple[Identity, Act]]) -> Iterable[Placed]:
    for site in clause.acts:
        args = tuple((name, value.value) for name, value in site.args if isinstance(value, Const))
        reasons = (str(site.reason.value),) if isinstance(site.reason, Const) else ()
        act = Act(site.kind, site.name, args, reasons)
        yield _order(site), made.setdefault(act, (act.identity, act))


# --- functions -------------------------------------------------------------------------------------------------------


def _kind(
    source: Source, program: Program, kind: EventKind, info: EventInfo, watches: Mapping[Moment, str]
) -> _KindNames:
    fields: Fields = dict(info.fields)
    strata = program.strata[kind]
    written = {write.variable for stratum in strata for clause in stratum for write in clause.writes}
    arriving = {variable for variable, _ in info.arrives}
    changes = [(r, w) for r, w in _owned(program) if _is_change(w.moment, written)]
    before = (
        watches.get(Arrival(frozenset({kind}))),
        _watches(source, changes) if changes else None,
        watches.get(Settled()),
    )
    return _KindNames(
        possible=_returning(source, info.possible, fields),
        arrive=_tuple_of(source, [source.expression(value, fields) for _, value in info.arrives]),
        strata=tuple(tuple(_clause(source, clause, fields) for clause in stratum) for stratum in strata),
        out_of_range=_range(source, program, [name for name in program.variables if name in written | arriving]),
        before=tuple(name for name in before if name is not None),
    )


def _returning(source: Source, expr: Expr, fields: Fields | None) -> str:
    return source.function(SCOPE, [f"return {source.expression(expr, fields)}"])


def _tuple_of(source: Source, parts: Sequence[str]) -> str:
    return source.function(SCOPE, [f"return ({''.join(f'{part}, ' for part in parts)})"])


def _clause(source: Source, clause: Clause, fields: Fields) -> tuple[str, str | None, str | None]:
    values = _tuple_of(source, [source.expression(write.value, fields) for write in clause.writes])
    inside = [value for site in clause.acts for value in (*dict(site.args).values(), site.reason)]
    if all(value is None or isinstance(value, Const) for value in inside):
        return values, None, None
    acts = _tuple_of(source, [_act(source, site, fields) for site in clause.acts])
    return values, acts, _outside(source, clause, fields)


def _outside(source: Source, clause: Clause, fields: Fields) -> str | None:
    """How many of the arguments that are computed lie outside their types."""
    computed = [value for site in clause.acts for _, value in site.args if unchecked(value)]
    lines = ["n = 0"]
    for value in computed:
        lines += [f"v = {source.expression(value, fields)}", f"n += not ({_bounds(source, 'v', type_of(value), 0)})"]
    return source.function(SCOPE, [*lines, "return n"]) if computed else None


def _act(source: Source, site: ActSite, fields: Fields) -> str:
    args = "".join(f"({source.constant(n)}, {source.expression(v, fields)}), " for n, v in site.args)
    reasons = "" if site.reason is None else f"str({source.expression(site.reason, fields)}), "
    return f"(({source.constant(site.kind)}, {source.constant(site.name)}, ({args})), ({reasons}))"


def _range(source: Source, program: Program, variables: Iterable[Variable]) -> str | None:
    """How many of these facts are outside the bounds of their types. Others cannot have left them in this step."""
    lines = ["n = 0"]
    for variable in variables:
        info = program.variables[variable]
        bounds = _bounds(source, "v", info.type, 0)
        if info.role is Role.FACT and bounds:
            lines += [f"v = f[{source.constant(variable)}]", f"n += not ({bounds})"]
    return source.function("f", [*lines, "return n"]) if len(lines) > 1 else None


def _bounds(source: Source, v: str, type_: Type, depth: int) -> str:
    """A condition that `v`, a value of the type but for its bounds, is within them; empty where it has none."""
    match type_:
        case IntType(low, high) | DecimalType(_, low, high):
            return f"{source.constant(low)} <= {v} <= {source.constant(high)}"
        case TimeType():
            return f"{source.constant(TIME_MIN)} <= {v} <= {source.constant(TIME_MAX)}"
        case DurationType():
            return f"{source.constant(-DURATION_MAX)} <= {v} <= {source.constant(DURATION_MAX)}"
        case EnumType(_, values):
            return f"{v} in {source.constant(frozenset(values))}"
        case TextType(limit):
            return f"len({v}) <= {source.constant(limit)}"
        case OptionalType(of):
            bounds = _bounds(source, v, of, depth)
            return bounds and f"({v} is None or {bounds})"
        case RecordType(_, fields):
            parts = [_bounds(source, f"{v}[{i:d}]", field, depth) for i, (_, field) in enumerate(fields)]
            return " and ".join(f"({part})" for part in parts if part)
        case BagType(of):
            bounds = _bounds(source, f"v{depth:d}", of, depth + 1)
            return bounds and f"all({bounds} for v{depth:d} in {v})"
        case BoolType() | IdType():
            return ""
        case _:
            assert_never(type_)


# --- watches ---------------------------------------------------------------------------------------------------------


def _by_moment(program: Program) -> Mapping[Moment, Sequence[tuple[str, Watch]]]:
    """For every single moment that is watched its watches, but for changes, which are all one moment."""
    found: dict[Moment, list[tuple[str, Watch]]] = {}
    for requirement, watch in _owned(program):
        for moment in _singles(watch.moment):
            found.setdefault(moment, []).append((requirement, watch))
    return found


def _owned(program: Program) -> Sequence[tuple[str, Watch]]:
    """Every watch with its requirement's name, in order; bookkeeping comes first and has no name."""
    books = [("", watch) for watch in program.bookkeeping]
    return [*books, *((each.name, watch) for each in program.requirements for watch in each.watches)]


def _is_change(moment: Moment, written: set[Variable]) -> bool:
    """Whether it is the change of what an event's rules may write, or of what the safe stop writes."""
    return isinstance(moment, Changed) and (moment.variable in written or moment.variable == SAFE_STOPS)


def _singles(moment: Moment) -> Sequence[Moment]:
    match moment:
        case Arrival(kinds):
            return [Arrival(frozenset({kind})) for kind in sorted(kinds)]
        case Leaving(kind, names):
            return [Leaving(kind, frozenset({name})) for name in sorted(names)]
        case Settled() | Finished() | Closing():
            return [moment]
        case Changed():
            return []
        case _:
            assert_never(moment)


def _watches(source: Source, seen: Iterable[tuple[str, Watch]]) -> str:
    """A function that runs these watches one after the other; those of requirements, which come last, if judged."""
    lines: list[str] = []
    judging = False
    for requirement, watch in seen:
        if requirement and not judging:
            lines.append("if not judged: return")
            judging = True
        lines += _watch(source, requirement, watch)
    return source.function(f"{SCOPE}, broken, judged", lines)


def _watch(source: Source, requirement: str, watch: Watch) -> list[str]:
    body = []
    if watch.broken != FALSE:
        body += [f"if {source.expression(watch.broken, None)}: broken[{source.constant(requirement)}] = None"]
    if watch.updates:
        targets = ", ".join(f"f[{source.constant(variable)}]" for variable, _ in watch.updates)
        body += [f"{targets} = {', '.join(source.expression(value, None) for _, value in watch.updates)}"]
    conditions = []
    if isinstance(watch.moment, Changed):
        variable = source.constant(watch.moment.variable)
        conditions.append(f"o[{variable}] != f[{variable}]")
    if watch.when != TRUE:
        conditions.append(source.expression(watch.when, None))
    if not conditions or not body:
        return body
    return [f"if {' and '.join(conditions)}:", *(f"    {line}" for line in body)]
