"""Programs to run: one that uses every construct, and large ones. `programs_random` makes random ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass

from charter.dsl.program import (
    FALSE,
    LANGUAGE,
    OVER,
    SAFE_STOPS,
    STARTED,
    TRANSFERRING,
    TRUE,
    TURN_OPEN,
    ActKind,
    ActSite,
    Agent,
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
    EventInfo,
    EventKind,
    Expr,
    Finished,
    Its,
    Known,
    Leaving,
    Lifetime,
    Make,
    Not,
    Opening,
    Operation,
    Or,
    Part,
    Program,
    Queue,
    Read,
    Requirement,
    Role,
    RuleInfo,
    Settled,
    Size,
    Text,
    Tool,
    Variable,
    VariableInfo,
    Watch,
    With,
    Without,
    Write,
    exhausted,
    tried,
    used,
)
from charter.dsl.source import Span
from charter.dsl.types import (
    BOOL,
    DURATION,
    ID,
    INT64_MAX,
    INT64_MIN,
    TIME,
    BagType,
    DecimalType,
    EnumType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    Type,
    Value,
)

QUEUES = ("general", "fraud desk")
NOWHERE = Span("made.charter", 1, 1, 1, 1)
ANY_INT = IntType(INT64_MIN, INT64_MAX)
MOOD = EnumType("Mood", ("calm", "cross", "'; import os #"))
CARD = RecordType("Card", (("number", ID), ("limit", IntType(0, 9)), ("mood", OptionalType(MOOD))))


# --- building a program ----------------------------------------------------------------------------------------------


def program(
    facts: Iterable[VariableInfo],
    events: Iterable[EventInfo],
    strata: Mapping[EventKind, Sequence[Sequence[Clause]]],
    *,
    agents: Iterable[Agent] = (),
    tools: Iterable[Tool] = (),
    bookkeeping: Iterable[Watch] = (),
    requirements: Iterable[Requirement] = (),
    waiting: Expr = FALSE,
) -> Program:
    """A program of these parts, with the variables that every program has, and the bookkeeping of bounds and ends."""
    known_agents = {agent.name: agent for agent in agents}
    known_tools = {tool.name: tool for tool in tools}
    uses = {a.name: a.uses for a in known_agents.values()} | {t.name: t.uses for t in known_tools.values()}
    infos = [
        *_every_program(),
        *(book(used(name), IntType(0, bound), 0, Lifetime.TURN) for name, bound in uses.items()),
        *(book(exhausted(name), BOOL, False, Lifetime.TURN) for name in uses),
        *(book(tried(name), IntType(0, 3), 0, Lifetime.TURN) for name in QUEUES),
        *facts,
    ]
    kinds = {info.kind: info for info in events}
    rules = {c.rule: RuleInfo(c.rule, NOWHERE) for layers in strata.values() for layer in layers for c in layer}
    return Program(
        name="made",
        digest="0" * 64,
        languages=("en",),
        fallback="general",
        enums={"Mood": MOOD},
        records={"Card": CARD},
        agents=known_agents,
        tools=known_tools,
        queues={name: Queue(name, 30_000, 2) for name in QUEUES},
        speech={},
        variables={info.name: info for info in infos},
        events=kinds,
        rules=rules,
        strata={kind: tuple(tuple(layer) for layer in strata.get(kind, ())) for kind in kinds},
        bookkeeping=(*_counting(known_agents, known_tools), *_ending(kinds.values()), *bookkeeping),
        requirements=tuple(requirements),
        assumptions={},
        waiting=waiting,
    )


def _every_program() -> Iterator[VariableInfo]:
    for name in (TURN_OPEN, STARTED, OVER, TRANSFERRING):
        yield book(name, BOOL, False)
    yield book(LANGUAGE, OptionalType(ID), None)
    yield book(SAFE_STOPS, IntType(0, 2), 0)


def _counting(agents: Mapping[str, Agent], tools: Mapping[str, Tool]) -> Iterator[Watch]:
    for names, kind in ((agents, ActKind.ASK), (tools, ActKind.CALL)):
        for name in names:
            more = Arithmetic(Operation.ADD, Read(used(name), ANY_INT), const(1), ANY_INT)
            yield Watch(Leaving(kind, frozenset({name})), updates=((used(name), more),))
            yield Watch(Leaving(ActKind.EXHAUSTED, frozenset({name})), updates=((exhausted(name), const(True)),))


def _ending(events: Iterable[EventInfo]) -> Iterator[Watch]:
    ending = frozenset(info.kind for info in events if info.ends)
    yield Watch(Leaving(ActKind.END, frozenset({""})), updates=((OVER, const(True)),))
    yield Watch(Arrival(ending), updates=((OVER, const(True)), (TRANSFERRING, const(False))))
    yield Watch(Leaving(ActKind.ESCALATE, frozenset({"general"})), updates=((TRANSFERRING, const(True)),))
    for name in QUEUES:
        more = Arithmetic(Operation.ADD, Read(tried(name), ANY_INT), const(1), ANY_INT)
        yield Watch(Leaving(ActKind.ESCALATE, frozenset({name})), updates=((tried(name), more),))


def book(
    name: Variable,
    type_: Type,
    initial: Value,
    lifetime: Lifetime = Lifetime.CONVERSATION,
    role: Role = Role.BOOKKEEPING,
) -> VariableInfo:
    """A variable that watches write."""
    return VariableInfo(name, type_, initial, lifetime, role)


def fact(name: str, type_: Type, initial: Value, lifetime: Lifetime = Lifetime.CONVERSATION) -> VariableInfo:
    """A variable that rules write."""
    return VariableInfo(Variable(name), type_, initial, lifetime, Role.FACT)


def const(value: bool | int) -> Const:
    """A truth value or a whole number."""
    return Const(value, BOOL if isinstance(value, bool) else ANY_INT)


def read(info: VariableInfo, *, old: bool = False) -> Read:
    """Reads a variable."""
    return Read(info.name, info.type, old)


def same(left: Expr, right: Expr) -> Compare:
    """Equality."""
    return Compare(Comparison.EQ, left, right)


def rule(
    name: str,
    guard: Expr = TRUE,
    *,
    writes: Iterable[tuple[VariableInfo, Expr]] = (),
    acts: Iterable[ActSite] = (),
    overridden_by: Iterable[str] = (),
) -> Clause:
    """What a rule does on one kind of event."""
    return Clause(name, guard, tuple(overridden_by), tuple(Write(i.name, e) for i, e in writes), tuple(acts))


def act(place: int, kind: ActKind, name: str = "", *, reason: Expr | None = None, **args: Expr) -> ActSite:
    """An act of a rule."""
    return ActSite(kind, name, tuple(args.items()), reason, place)


def agent(name: str, uses: int = 1) -> Agent:
    """An agent without fields."""
    return Agent(name, (), 100, uses, ())


def tool(name: str, *, uses: int = 1, writes: bool = False) -> Tool:
    """A tool without arguments."""
    return Tool(name, (), (), writes, False, 100, uses)


def requirement(name: str, *watches: Watch) -> Requirement:
    """What a requirement came to."""
    return Requirement(name, name, None, None, watches)


def parts(node: object) -> Iterator[object]:
    """Everything that a program is built of, with repetitions."""
    yield node
    if is_dataclass(node) and not isinstance(node, type):
        for field in fields(node):
            yield from parts(getattr(node, field.name))
    elif isinstance(node, Mapping):
        for item in node.items():
            yield from parts(item)
    elif isinstance(node, tuple | list | frozenset):
        for item in node:
            yield from parts(item)


# --- one that uses everything ----------------------------------------------------------------------------------------


def everything() -> Program:
    """Every expression, act, moment, opening, lifetime and role; overrides in two layers; texts that look like code."""
    card = fact("card", OptionalType(CARD), None)
    tries = fact("tries", IntType(0, 5), 0, Lifetime.TURN)
    mood = fact("mood", MOOD, "calm")
    balance = fact("balance", DecimalType(2, -10_000, 10_000), 0)
    since = fact("since", OptionalType(TIME), None)
    patience = fact("patience", DURATION, 30_000)
    note = fact("note", TextType(12), "")
    sure = VariableInfo(
        Variable("classify.confidence"), OptionalType(IntType(0, 9)), None, Lifetime.TURN, Role.SUGGESTION
    )
    fresh = VariableInfo(Variable("fresh"), BOOL, True, Lifetime.STEP, Role.FACT)
    opened = book(Variable("open calls"), BagType(CARD), ())
    pending = book(Variable("pending classify"), BOOL, False)
    said = VariableInfo(Variable("ghost said"), IntType(0, 9), 0, Lifetime.TURN, Role.GHOST)
    facts = (card, tries, mood, balance, since, patience, note, sure, fresh, opened, pending, said)

    started, talks, answer, hangup, found = (
        EventKind(kind) for kind in ("start", "utterance", "classify", "hangup", "find_card")
    )
    its_card, its_mood = Its("card", OptionalType(CARD)), Its("mood", MOOD)
    holds_card = And((Known(read(card)), same(Part(read(card), 0, ID), Its("number", ID))))
    events = (
        EventInfo(started, (("caller", OptionalType(ID)),), Opening.OPENS, Not(Read(STARTED, BOOL))),
        EventInfo(
            talks,
            (("number", ID), ("card", OptionalType(CARD)), ("mood", MOOD), ("amount", ANY_INT)),
            Opening.OPENS,
            And((Read(STARTED, BOOL), Not(Read(TURN_OPEN, BOOL)), Not(Read(OVER, BOOL)))),
        ),
        EventInfo(
            answer,
            (("confidence", IntType(0, 9)),),
            Opening.ANSWERS,
            And((read(pending), Not(Read(OVER, BOOL)))),
            ((sure.name, Its("confidence", IntType(0, 9))),),
        ),
        EventInfo(found, (("card", CARD),), Opening.ANSWERS, Contains(read(opened), Its("card", CARD))),
        EventInfo(hangup, (), Opening.JOINS, Not(Read(OVER, BOOL)), ends=True),
    )
    a_card = Make(CARD, (Its("number", ID), const(3), Const(None, OptionalType(MOOD))))
    more = Arithmetic(Operation.ADD, read(tries, old=True), const(1), ANY_INT)
    hour = Const(3_600_000, DURATION)
    strata = {
        started: [[rule("greet", acts=(act(1, ActKind.DISCLOSE, "recording"), act(2, ActKind.SAY, "hello")))]],
        talks: [
            [
                rule("keep", Known(its_card), writes=((card, its_card), (note, Text(("card ", its_card))))),
                rule("count", Compare(Comparison.LT, read(tries, old=True), const(5)), writes=((tries, more),)),
                rule(
                    "moody", Not(same(its_mood, read(mood, old=True))), writes=((mood, its_mood), (fresh, const(False)))
                ),
                rule(
                    "earn",
                    Compare(Comparison.GT, Its("amount", ANY_INT), const(0)),
                    writes=(
                        (balance, Arithmetic(Operation.MUL, read(balance, old=True), const(-1), balance.type)),
                        (since, Its("now", TIME)),
                        (patience, Arithmetic(Operation.SUB, read(patience, old=True), hour, DURATION)),
                    ),
                ),
            ],
            [
                rule(
                    "ask",
                    Compare(Comparison.GE, read(tries), const(1)),
                    acts=(act(3, ActKind.ASK, "classify"), act(4, ActKind.CALL, "find_card", card=a_card)),
                ),
                rule(
                    "again",
                    Compare(Comparison.EQ, Its("amount", ANY_INT), const(2)),
                    acts=(act(5, ActKind.ASK, "classify"), act(6, ActKind.SAY, "hello")),
                ),
                rule(
                    "angry",
                    And((same(read(mood), Const("cross", MOOD)), Not(read(fresh)))),
                    acts=(act(7, ActKind.ESCALATE, "fraud desk", reason=Text(("mood ", read(mood)))),),
                ),
            ],
            [
                rule(
                    "calm down",
                    Or((same(its_mood, Const("cross", MOOD)), Compare(Comparison.NE, read(mood), its_mood))),
                    acts=(act(8, ActKind.NOTE), act(9, ActKind.TIMER, "later")),
                    overridden_by=("angry",),
                ),
                rule(
                    "collect",
                    holds_card,
                    acts=(act(10, ActKind.COLLECT, "pin", limit=Part(read(card), 1, ANY_INT)),),
                    overridden_by=("moody",),
                ),
            ],
            [
                rule(
                    "give up",
                    Compare(Comparison.LE, read(patience), const(0)),
                    acts=(act(11, ActKind.END, reason=Text(("patience",))),),
                    overridden_by=("calm down",),
                )
            ],
        ],
        answer: [
            [
                rule(
                    "repeat",
                    And((Known(read(sure)), Compare(Comparison.LT, read(sure), const(3)))),
                    acts=(act(12, ActKind.ASK, "classify"), act(13, ActKind.SAY, "hello", reason=Text(("unsure",)))),
                ),
                rule("also", acts=(act(14, ActKind.SAY, "hello", reason=Text(("polite",))),)),
            ],
        ],
        found: [
            [rule("same card", holds_its_card(card), acts=(act(15, ActKind.CALL, "freeze", card=Its("card", CARD)),))],
        ],
    }
    bookkeeping = (
        Watch(Arrival(frozenset({started})), updates=((STARTED, const(True)),)),
        Watch(Leaving(ActKind.ASK, frozenset({"classify"})), updates=((pending.name, const(True)),)),
        Watch(Arrival(frozenset({answer})), updates=((pending.name, const(False)),)),
        Watch(
            Leaving(ActKind.CALL, frozenset({"find_card"})),
            updates=((opened.name, With(read(opened), Its("card", CARD))),),
        ),
        Watch(Arrival(frozenset({found})), updates=((opened.name, Without(read(opened), Its("card", CARD))),)),
        Watch(Finished(), when=read(pending), updates=((LANGUAGE, Const("en", ID)),)),
    )
    speaking = Leaving(ActKind.SAY, frozenset({"hello", "bye"}))
    talked = Arithmetic(Operation.ADD, read(said), const(1), ANY_INT)
    requirements = (
        requirement(
            "spoken once",
            Watch(speaking, broken=Compare(Comparison.GE, read(said), const(2)), updates=((said.name, talked),)),
        ),
        requirement(
            "no cross word",
            Watch(
                Changed(mood.name),
                when=same(read(mood), Const(MOOD.values[2], MOOD)),
                broken=same(read(tries, old=True), const(0)),
            ),
        ),
        requirement("few calls", Watch(Settled(), broken=Compare(Comparison.GE, Size(read(opened)), const(2)))),
        requirement(
            "closed calm",
            Watch(Closing(), when=Not(same(read(mood), read(mood, old=True))), broken=same(read(tries), const(1))),
        ),
    )
    return program(
        facts,
        events,
        strata,
        agents=(agent("classify"),),
        tools=(tool("find_card", uses=2), tool("freeze", writes=True)),
        bookkeeping=bookkeeping,
        requirements=requirements,
        waiting=Or((read(pending), Compare(Comparison.GT, Size(read(opened)), const(0)))),
    )


def holds_its_card(card: VariableInfo) -> Expr:
    """Whether the card is the one observed, read in the careful order."""
    return Or((Not(Known(read(card))), same(read(card), Its("card", CARD))))


# --- large ones ------------------------------------------------------------------------------------------------------


def large(rules: int, *, kinds: int = 10, facts: int = 300) -> Program:
    """`rules` rules over `kinds` kinds of events and `facts` facts; rule n says a prompt with n in it.

    Each guard compares two numbers and an enum, and reads a bool; no two are equal.
    """
    counts = [fact(f"n{i}", IntType(0, 9), 0) for i in range(facts // 3)]
    moods = [fact(f"m{i}", MOOD, "calm") for i in range(facts // 3)]
    flags = [fact(f"b{i}", BOOL, False) for i in range(facts - 2 * (facts // 3))]
    events = [EventInfo(EventKind(f"e{i}"), (("level", IntType(0, 9)),), Opening.OPENS, TRUE) for i in range(kinds)]
    strata: dict[EventKind, list[list[Clause]]] = {info.kind: [[]] for info in events}
    for i in range(rules):
        guard = And(
            (
                Compare(Comparison.LE, read(counts[i % len(counts)]), Its("level", IntType(0, 9))),
                same(read(moods[(i * 7 + i // len(counts)) % len(moods)]), Const(MOOD.values[i % 3], MOOD)),
                read(flags[i * 13 % len(flags)]),
            )
        )
        says = act(i + 1, ActKind.SAY, "number", n=const(i))
        strata[events[i % kinds].kind][0].append(rule(f"r{i}", guard, acts=(says,)))
    return program([*counts, *moods, *flags], events, strata)
