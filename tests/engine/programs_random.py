"""Random programs, well formed and whole, with the states and events to run them on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random

from programs import ANY_INT, CARD, MOOD, act, agent, book, const, program, requirement, rule, tool

from charter.dsl.program import (
    FALSE,
    OVER,
    SAFE_STOPS,
    TRUE,
    TURN_OPEN,
    ActKind,
    And,
    Arithmetic,
    Arrival,
    Changed,
    Clause,
    Closing,
    Compare,
    Comparison,
    Const,
    Contains,
    Event,
    EventInfo,
    EventKind,
    Expr,
    Finished,
    Its,
    Known,
    Leaving,
    Lifetime,
    Make,
    Moment,
    Not,
    Opening,
    Operation,
    Or,
    Part,
    Program,
    Read,
    Role,
    Settled,
    Size,
    State,
    Text,
    Variable,
    VariableInfo,
    Watch,
    With,
    Without,
    exhausted,
    type_of,
    used,
)
from charter.dsl.types import (
    BOOL,
    DURATION,
    ID,
    INT64_MAX,
    INT64_MIN,
    TIME,
    TIME_MAX,
    BagType,
    BoolType,
    DecimalType,
    DurationType,
    EnumType,
    IdType,
    IntType,
    OptionalType,
    PlainType,
    RecordType,
    TextType,
    TimeType,
    Type,
    Value,
    optional,
)

_PLAIN: tuple[PlainType, ...] = (
    BOOL, IntType(-2, 3), ANY_INT, DecimalType(2, -150, 150), MOOD, ID, TextType(12), TIME, DURATION, CARD,
)  # fmt: skip
_GHOSTS: tuple[Type, ...] = (BOOL, IntType(0, 3), BagType(CARD))
_EDGES = (INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX)


def random_value(rng: Random, type_: Type) -> Value:
    """A value of the type, from few enough that two are often equal."""
    match type_:
        case BoolType():
            return rng.random() < 0.5
        case IntType(low, high) | DecimalType(_, low, high):
            near = [n for n in (*_EDGES, 2, 3, 100) if low <= n <= high]
            return rng.choice(near)
        case TimeType() | DurationType():
            return rng.choice((0, 1_000, 3_600_000, 1_700_000_000_000, -1_000, TIME_MAX))
        case EnumType(_, values):
            return rng.choice(values)
        case IdType() | TextType():
            return rng.choice(("", "a", "b", "'\"\\{}\n", "ß€"))
        case RecordType(_, of):
            return tuple(random_value(rng, field) for _, field in of)
        case OptionalType(of):
            return None if rng.random() < 0.4 else random_value(rng, of)
        case BagType(of):
            return tuple(random_value(rng, of) for _ in range(rng.randrange(3)))


def random_event(rng: Random, made: Program, now: int) -> Event:
    """An event of any kind, whether it can come or not."""
    info = rng.choice(list(made.events.values()))
    return Event(info.kind, {name: random_value(rng, type_) for name, type_ in info.fields}, now)


def random_state(rng: Random, made: Program) -> State:
    """Any state whose values belong to their types, reachable or not; mostly one that is not over."""
    state = {name: random_value(rng, info.type) for name, info in made.variables.items()}
    return state if rng.random() < 0.2 else {**state, OVER: False}


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a random expression may read, and which of it is known to be known."""

    leaves: tuple[tuple[Expr, Type], ...]
    known: frozenset[Expr] = frozenset()

    def of(self, wanted: Type) -> list[Expr]:
        """What can be read as a value of the type, whatever its bounds."""
        return [
            e for e, type_ in self.leaves if _fits(type_, wanted) or (e in self.known and _fits(_of(type_), wanted))
        ]

    def optional(self) -> list[Expr]:
        return [e for e, type_ in self.leaves if isinstance(type_, OptionalType)]

    def knowing(self, expr: Expr) -> "_Sight":
        return replace(self, known=self.known | {expr})


def _of(type_: Type) -> Type:
    return type_.of if isinstance(type_, OptionalType) else type_


def _fits(type_: Type, wanted: Type) -> bool:
    if isinstance(wanted, OptionalType):
        return type_ == wanted or _fits(type_, wanted.of)
    loose = IntType | TextType
    return type_ == wanted or (isinstance(type_, loose) and type(type_) is type(wanted))


def random_program(rng: Random) -> Program:
    """A whole program: few variables, some events, rules in up to three strata, watches on every moment."""
    facts = [_random_fact(rng, i) for i in range(rng.randint(3, 12))]
    ghosts = [
        VariableInfo(Variable(f"g{i}"), t, random_value(rng, t), rng.choice(list(Lifetime)), Role.GHOST)
        for i, t in enumerate(_GHOSTS)
    ]
    agents, tools = [agent("a0"), agent("a1", 2)], [tool("t0", writes=True), tool("t1", uses=2)]
    vocabulary = _random_vocabulary(rng)
    stated = [
        *facts,
        *ghosts,
        book(OVER, BOOL, False),
        book(TURN_OPEN, BOOL, False),
        book(SAFE_STOPS, IntType(0, 2), 0),
    ]
    kinds = [EventKind(f"e{i}") for i in range(rng.randint(2, 5))]
    events = [_random_kind(rng, kind, i == 0, facts, stated) for i, kind in enumerate(kinds)]
    strata = {info.kind: _random_strata(rng, info, facts, stated, vocabulary) for info in events}
    watched = [*stated, book(used("a0"), IntType(0, 1), 0), book(exhausted("t0"), BOOL, False)]
    requirements = [
        requirement(f"r{i}", *(_random_watch(rng, events, facts, watched, ghosts, vocabulary) for _ in range(2)))
        for i in range(rng.randrange(6))
    ]
    bookkeeping = [
        replace(_random_watch(rng, events, facts, watched, ghosts, vocabulary), broken=FALSE)
        for _ in range(rng.randrange(6))
    ]
    made = program(
        [*facts, *ghosts], events, strata, agents=agents, tools=tools, bookkeeping=bookkeeping,
        requirements=requirements, waiting=_condition(rng, _sight(watched, ()), 2),
    )  # fmt: skip
    names = list(made.rules)
    rng.shuffle(names)
    return replace(
        made,
        rules={name: made.rules[name] for name in names},
        strata={
            kind: tuple(tuple(sorted(stratum, key=lambda clause: names.index(clause.rule))) for stratum in strata)
            for kind, strata in made.strata.items()
        },
    )


def _random_fact(rng: Random, number: int) -> VariableInfo:
    type_ = _random_type(rng)
    role = rng.choice((Role.FACT, Role.FACT, Role.FACT, Role.SUGGESTION))
    name = Variable(f"f{number} '\"{number}")
    return VariableInfo(name, type_, random_value(rng, type_), rng.choice(list(Lifetime)), role)


def _random_type(rng: Random) -> Type:
    type_ = rng.choice((*_PLAIN, BagType(CARD)))
    return optional(type_) if rng.random() < 0.4 else type_


def _random_vocabulary(rng: Random) -> list[tuple[ActKind, str, tuple[tuple[str, Type], ...]]]:
    """Acts that rules may state, each always with the same arguments; none where the safe stop states it too."""
    names = {
        ActKind.ASK: ("a0", "a1"), ActKind.CALL: ("t0", "t1"), ActKind.ESCALATE: ("general", "fraud desk"),
        ActKind.END: ("",), ActKind.NOTE: ("",),
    }  # fmt: skip
    bare = (ActKind.ESCALATE, ActKind.END)
    return [
        (kind, name, () if kind in bare else _random_fields(rng, "arg"))
        for kind in ActKind
        if kind is not ActKind.EXHAUSTED
        for name in names.get(kind, ("x", "y"))
    ]


def _random_fields(rng: Random, prefix: str) -> tuple[tuple[str, Type], ...]:
    return tuple((f"{prefix}{i}", _random_type(rng)) for i in range(rng.randrange(4)))


def _random_kind(
    rng: Random, kind: EventKind, ends: bool, facts: list[VariableInfo], stated: list[VariableInfo]
) -> EventInfo:
    its = _random_fields(rng, "i")
    sight = _sight(stated, its, old_only=True)
    suggestions = [info for info in facts if info.role is Role.SUGGESTION]
    arriving = rng.sample(suggestions, min(len(suggestions), rng.randrange(3)))
    return EventInfo(
        kind,
        its,
        rng.choice(list(Opening)),
        _possible(rng, sight),
        tuple((info.name, _expression(rng, info.type, sight, 1)) for info in arriving),
        ends,
    )


def _possible(rng: Random, sight: _Sight) -> Expr:
    some = Or((_condition(rng, sight, 1), _condition(rng, sight, 1))) if rng.random() < 0.5 else TRUE
    return And((Not(Read(OVER, BOOL)), some)) if rng.random() < 0.8 else some


def _sight(variables: Iterable[VariableInfo], its: Iterable[tuple[str, Type]], *, old_only: bool = False) -> _Sight:
    leaves: list[tuple[Expr, Type]] = [(Its("now", TIME), TIME)]
    leaves += [(Its(name, type_), type_) for name, type_ in its]
    for info in variables:
        leaves += [(Read(info.name, info.type, old), info.type) for old in ((True,) if old_only else (True, False))]
    return _Sight(tuple(leaves))


def _random_strata(
    rng: Random,
    info: EventInfo,
    facts: list[VariableInfo],
    stated: list[VariableInfo],
    vocabulary: list[tuple[ActKind, str, tuple[tuple[str, Type], ...]]],
) -> list[list[Clause]]:
    depth = rng.randint(1, 3)
    written_in = {fact.name: rng.randrange(depth + 2) for fact in facts}  # from `depth` on: on this kind nowhere
    strata: list[list[Clause]] = []
    earlier: list[str] = []
    place = 0
    for number in range(depth):
        settled = [
            f for f in stated if written_in.get(f.name, depth) < number or written_in.get(f.name, depth) >= depth
        ]
        unsettled = [f for f in stated if f not in settled]
        leaves = _sight(settled, info.fields).leaves + _sight(unsettled, (), old_only=True).leaves
        sight = _Sight(leaves)
        writable = [fact for fact in facts if written_in[fact.name] == number]
        stratum = []
        for i in range(rng.randint(1, 4)):
            acts = []
            for kind, name, args in rng.sample(vocabulary, rng.choice((0, 0, 1, 1, 2))):
                place += 1
                given = {arg: _expression(rng, type_, sight, 1) for arg, type_ in args}
                reason = (
                    Text(("because ", _expression(rng, _random_type(rng), sight, 1))) if rng.random() < 0.5 else None
                )
                acts.append(act(place, kind, name, reason=reason, **given))
            targets = rng.sample(writable, min(len(writable), rng.randrange(3)))
            stratum.append(
                rule(
                    f"{info.kind} s{number} c{i}",
                    _condition(rng, sight, 3),
                    writes=[(target, _expression(rng, target.type, sight, 2)) for target in targets],
                    acts=acts,
                    overridden_by=rng.sample(earlier, min(len(earlier), rng.choice((0, 0, 1, 2)))),
                )
            )
        strata.append(stratum)
        earlier += [clause.rule for clause in stratum]
    return strata


def _random_watch(
    rng: Random,
    events: list[EventInfo],
    facts: list[VariableInfo],
    watched: list[VariableInfo],
    ghosts: list[VariableInfo],
    vocabulary: list[tuple[ActKind, str, tuple[tuple[str, Type], ...]]],
) -> Watch:
    moment, its = _random_moment(rng, events, facts, vocabulary)
    sight = _sight(watched, its)
    broken = And(tuple(_condition(rng, sight, 1) for _ in range(3))) if rng.random() < 0.4 else FALSE
    targets = rng.sample(ghosts, rng.randrange(len(ghosts)))
    when = TRUE if rng.random() < 0.2 else _condition(rng, sight, 2)
    return Watch(moment, when, broken, tuple((info.name, _expression(rng, info.type, sight, 2)) for info in targets))


def _random_moment(
    rng: Random,
    events: list[EventInfo],
    facts: list[VariableInfo],
    vocabulary: list[tuple[ActKind, str, tuple[tuple[str, Type], ...]]],
) -> tuple[Moment, tuple[tuple[str, Type], ...]]:
    match rng.randrange(7):
        case 0:
            info = rng.choice(events)
            return Arrival(frozenset({info.kind})), info.fields
        case 1:
            return Arrival(frozenset(info.kind for info in rng.sample(events, 2))), ()
        case 2:
            return Changed(rng.choice([*(info.name for info in facts), SAFE_STOPS])), ()
        case 3:
            kind, name, args = rng.choice(vocabulary)
            return Leaving(kind, frozenset({name})), args
        case 4:
            return Leaving(rng.choice(list(ActKind)), frozenset({"x", "y", "general", "a0", "t1", ""})), ()
        case _:
            return rng.choice((Settled(), Finished(), Closing())), ()


def _condition(rng: Random, sight: _Sight, depth: int) -> Expr:
    """A truth value in which every read of what may be unknown is guarded."""
    bools, optionals = sight.of(BOOL), sight.optional()
    choice = rng.randrange(12) if depth else rng.randrange(4)
    if choice == 0 and optionals:
        return Known(rng.choice(optionals))
    if choice == 1 and bools:
        return rng.choice(bools)
    if choice == 2:
        bags = sight.of(BagType(CARD))
        return Contains(rng.choice(bags), _expression(rng, CARD, sight, 0)) if bags else rng.choice((TRUE, const(True)))
    if choice < 6:
        return _comparison(rng, sight, depth)
    if choice < 7:
        return Not(_condition(rng, sight, depth - 1))
    if choice < 10 and optionals:  # what makes it known stands before what reads it, in `and` and in `or`
        x = rng.choice(optionals)
        inner = [_condition(rng, sight.knowing(x), depth - 1) for _ in range(rng.randint(1, 2))]
        return And((Known(x), *inner)) if rng.random() < 0.6 else Or((Not(Known(x)), *inner))
    several = tuple(_condition(rng, sight, depth - 1) for _ in range(rng.choice((0, 1, 2, 2, 3, 3))))
    return rng.choice((And, Or))(several)


def _comparison(rng: Random, sight: _Sight, depth: int) -> Expr:
    type_ = rng.choice((*_PLAIN, OptionalType(MOOD)) if rng.random() < 0.5 else (ANY_INT, MOOD, TIME, BOOL))
    whole = isinstance(type_, IntType | DecimalType | TimeType | DurationType)
    op = rng.choice(list(Comparison) if whole else [Comparison.EQ, Comparison.NE])
    if isinstance(type_, OptionalType):
        type_ = type_.of
    leaves = sight.of(type_)
    left = rng.choice(leaves) if leaves else _expression(rng, type_, sight, max(0, depth - 1))
    return Compare(op, left, _expression(rng, type_, sight, max(0, depth - 1)))


def _expression(rng: Random, type_: Type, sight: _Sight, depth: int) -> Expr:
    """A value of the type, but for its bounds."""
    leaves = sight.of(type_)
    if leaves and rng.random() < 0.5:
        return rng.choice(leaves)
    constant = Const(random_value(rng, type_), type_)
    if depth == 0 or rng.random() < 0.2:
        return constant
    match type_:
        case BoolType():
            return _condition(rng, sight, depth - 1)
        case IntType() | DecimalType() | TimeType() | DurationType():
            cards = sight.of(CARD)
            if isinstance(type_, IntType) and cards and rng.random() < 0.3:
                return Part(rng.choice(cards), 1, type_)
            if isinstance(type_, IntType) and rng.random() < 0.3:
                return Size(_expression(rng, BagType(CARD), sight, depth - 1))
            return _arithmetic(rng, type_, sight)
        case IdType() if cards := sight.of(CARD):
            return Part(rng.choice(cards), 0, ID)
        case TextType():
            return Text(("t ", _expression(rng, _random_type(rng), sight, depth - 1), rng.choice(("", "{x}", "'"))))
        case RecordType(_, of):
            return Make(type_, tuple(_expression(rng, field, sight, depth - 1) for _, field in of))
        case OptionalType(of):
            return _expression(rng, of, sight, depth - 1)
        case BagType(of):
            bag = _expression(rng, type_, sight, depth - 1)
            return rng.choice((With, Without))(bag, _expression(rng, of, sight, depth - 1))
        case _:
            return constant


def _arithmetic(rng: Random, type_: Type, sight: _Sight) -> Expr:
    """Of operands so small that the result fits 64 bits, which the checker of the language shows of every policy."""
    small = [e for e in sight.of(type_) if _small(_of(type_of(e)))]
    left, right = (
        rng.choice(small) if small and rng.random() < 0.7 else Const(rng.choice((-1, 0, 1, 2)), type_) for _ in range(2)
    )
    timed = isinstance(type_, TimeType | DurationType)
    return Arithmetic(rng.choice((Operation.ADD, Operation.SUB) if timed else list(Operation)), left, right, type_)


def _small(type_: Type) -> bool:
    return not isinstance(type_, IntType) or type_.high < 1_000
