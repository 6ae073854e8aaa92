"""Random declarations: what a generated policy may know, ask, call, say, and hear from outside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from charter.dsl.lower.written import CHANNEL, REASON
from charter.dsl.types import (
    BOOL,
    DURATION,
    ID,
    TIME,
    DecimalType,
    EnumType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    Type,
    optional,
    spelled,
)
from charter.verification.generate.expressions import (
    Condition,
    Formula,
    Leaf,
    Sight,
    condition,
    literal,
    value,
)

Fields = tuple[tuple[str, Type], ...]

WORDS = ("red", "green", "blue", "yes", "no", "other", "human", "next", "say", "end")
UTTERED = TextType(8192)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a generated policy is, at most."""

    facts: int = 7
    defines: int = 4
    agents: int = 3
    tools: int = 3
    outside: int = 2
    rules: int = 24  # besides those that answer what must be answered
    requirements: int = 4


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact; its place among the facts says which rules may read its final value."""

    name: str
    type: Type
    turn: bool
    initial: str | None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool."""

    name: str
    args: Fields
    returns: Fields
    writes: bool


@dataclass(frozen=True, slots=True)
class Define:
    """A define without parameters: what it says, its type, the facts that it reads and what follows from it."""

    name: str
    says: Condition
    type: Type
    reads: frozenset[str]


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a policy declares before its rules."""

    languages: tuple[str, ...]
    types: tuple[EnumType | RecordType, ...]
    facts: tuple[Fact, ...]
    agents: Mapping[str, Fields]
    tools: tuple[Tool, ...]
    groups: Mapping[str, tuple[str, ...]]
    outside: Mapping[str, Fields]
    more: Mapping[str, Fields]  # fields added to built-in events
    queues: tuple[str, ...]
    disclosures: Mapping[str, Fields]
    prompts: Mapping[str, Fields]
    timers: tuple[str, ...]
    collected: tuple[str, ...]
    defines: tuple[Define, ...] = ()
    formulas: tuple[tuple[Formula, frozenset[str]], ...] = ()  # with the facts that they read
    texts: tuple[str, ...] = field(default=())  # the declarations, as written

    def fact(self, name: str) -> Fact:
        """The fact of that name."""
        return next(fact for fact in self.facts if fact.name == name)

    def events(self) -> dict[str, Fields]:
        """Every kind of event and its fields."""
        reason: Fields = (("reason", REASON),)
        kinds: dict[str, Fields] = {
            "start": (
                ("channel", CHANNEL),
                ("language", EnumType("Language", self.languages)),
                ("caller", optional(ID)),
            ),
            "utterance": (("text", UTTERED),),
            "keys": (("digits", ID),),
            **dict.fromkeys(("silence", "interrupt", "hangup"), ()),
        }
        kinds = {kind: (*fields, *self.more.get(kind, ())) for kind, fields in kinds.items()}
        for name, fields in self.agents.items():
            kinds |= {name: fields, f"{name} fails": reason}
        for tool in self.tools:
            kinds |= {tool.name: (*tool.args, *tool.returns), f"{tool.name} fails": (*tool.args, *reason)}
            if tool.writes:
                kinds[f"{tool.name} uncertain"] = tool.args
        for name in self.collected:
            type_ = self.fact(name).type
            plain = type_.of if isinstance(type_, OptionalType) else type_
            kinds |= {f"collected {name}": (("value", plain),), f"collect {name} fails": reason}
        for name in self.queues:
            kinds |= {f"escalated {name}": (), f"escalate {name} fails": reason}
        for name in self.disclosures:
            kinds |= {f"heard {name}": (), f"cut {name}": ()}
        kinds |= {f"timer {name}": () for name in self.timers}
        return kinds | dict(self.outside)

    def sight(self, final: frozenset[str], its: Fields | None = None) -> Sight:
        """What can be mentioned where the final values of these facts may be read."""
        leaves = [Leaf(fact.name, fact.type) for fact in self.facts if fact.name in final]
        leaves += [Leaf(f"was {fact.name}", fact.type) for fact in self.facts]
        if its is not None:
            leaves += [Leaf(f"its {name}", type_) for name, type_ in (*its, *its, ("now", TIME))]
        leaves += [Leaf(f"{a}.{name}", optional(t)) for a, fields in self.agents.items() for name, t in fields]
        leaves += [Leaf(f"start.{name}", optional(type_)) for name, type_ in self.events()["start"]]
        leaves.append(Leaf("now", TIME))
        tests = [Condition(f"disclosed({name})") for name in self.disclosures]
        tests += [Condition(f"called({tool.name})") for tool in self.tools]
        tests += [Condition(f"pending({name})") for name in (*self.agents, *(tool.name for tool in self.tools))]
        tests = [test for i, test in enumerate(tests) if i % 3 == len(tests) % 3]
        for define in self.defines:
            if define.reads <= final:
                if define.type == BOOL:
                    tests += [replace(define.says, text=define.name)] * 3
                else:
                    leaves.append(Leaf(define.name, define.type))
        formulas = tuple(formula for formula, reads in self.formulas if reads <= final)
        return Sight(tuple(leaves), tuple(tests), formulas)


def declare(rng: Random, size: Size) -> World:
    """Random declarations."""
    languages = ("en", "de")[: rng.randint(1, 2)]
    enums = tuple(EnumType(f"E{i}", tuple(rng.sample(WORDS, rng.randint(2, 5)))) for i in range(rng.randint(1, 2)))
    types: tuple[EnumType | RecordType, ...] = enums
    for i in range(rng.randint(0, 2)):
        fields = tuple((f"k{j}", _type(rng, types)) for j in range(rng.randint(1, 3)))
        types = (*types, RecordType(f"R{i}", fields))
    facts = tuple(_fact(rng, i, types) for i in range(rng.randint(2, size.facts)))
    agents = {f"a{i}": _fields(rng, "s", types, least=1) for i in range(rng.randint(1, size.agents))}
    if len(agents) > 1 and rng.random() < 0.4:
        agents["a1"] = agents["a0"]
    tools = tuple(
        Tool(f"t{i}", _fields(rng, "p", types), _fields(rng, "r", types), rng.random() < 0.6)
        for i in range(rng.randint(0, size.tools))
    )
    world = World(
        languages=languages,
        types=types,
        facts=facts,
        agents=agents,
        tools=tools,
        groups={"both": tuple(tool.name for tool in tools[:2])} if len(tools) > 1 and rng.random() < 0.6 else {},
        outside={f"e{i}": _fields(rng, "o", types) for i in range(rng.randint(0, size.outside))},
        more={
            kind: _fields(rng, "m", types, least=1) for kind in ("start", "utterance", "hangup") if rng.random() < 0.2
        },
        queues=tuple(f"q{i}" for i in range(rng.randint(1, 3))),
        disclosures={f"n{i}": _slots(rng, types) for i in range(rng.randint(1, 2))},
        prompts={f"m{i}": _slots(rng, types) for i in range(rng.randint(2, 4))},
        timers=tuple(f"w{i}" for i in range(rng.choice((0, 1, 1, 2)))),
        collected=tuple(fact.name for fact in facts if rng.random() < 0.3),
    )
    return _written(rng, _defining(rng, world, size))


# --- types and fields ------------------------------------------------------------------------------------------------


def _type(rng: Random, declared: tuple[EnumType | RecordType, ...]) -> Type:
    """A type, optional in one case of four."""
    some: tuple[Type, ...] = (
        BOOL, BOOL, ID, TIME, DURATION, TextType(rng.choice((1, 9, 40))), IntType(0, rng.choice((1, 3, 100))),
        IntType(-5, 5), IntType(-(2**63), 2**63 - 1), DecimalType(rng.choice((1, 4)), 0, 10_000), *declared, *declared,
    )  # fmt: skip
    type_ = rng.choice(some)
    return optional(type_) if rng.random() < 0.25 else type_


def _fields(rng: Random, letter: str, types: tuple[EnumType | RecordType, ...], least: int = 0) -> Fields:
    return tuple((f"{letter}{i}", _type(rng, types)) for i in range(rng.randint(least, 2)))


def _slots(rng: Random, types: tuple[EnumType | RecordType, ...]) -> Fields:
    return (("x", _type(rng, types)),) if rng.random() < 0.25 else ()


def _fact(rng: Random, number: int, types: tuple[EnumType | RecordType, ...]) -> Fact:
    type_ = _type(rng, types)
    initial = None if isinstance(type_, OptionalType) and rng.random() < 0.7 else literal(rng, type_)
    return Fact(f"f{number}", type_, rng.random() < 0.35, initial)


# --- defines ---------------------------------------------------------------------------------------------------------


def _defining(rng: Random, world: World, size: Size) -> World:
    for i in range(rng.randint(0, size.defines)):
        reads = frozenset(fact.name for fact in world.facts[: rng.randint(0, len(world.facts))])
        sight = world.sight(reads)
        if rng.random() < 0.3:
            params = (("x", _type(rng, world.types)),)
            sight = replace(sight, leaves=(*sight.leaves, *[Leaf("x", type_) for _, type_ in params] * 4))
            formula = Formula(f"d{i}", params)
            text = f"define d{i}(x: {spelled(params[0][1])}) = {condition(rng, sight, 1).text}"
            world = replace(world, formulas=(*world.formulas, (formula, reads)), texts=(*world.texts, text))
            continue
        type_ = rng.choice((BOOL, BOOL, BOOL, DURATION, IntType(0, 9)))
        if type_ == BOOL:
            says = condition(rng, sight, 2)
        elif type_ == DURATION:
            says = Condition(value(rng, type_, sight))
        else:
            says = Condition(f"{rng.choice('0123')} + {rng.choice('0123456')}")
        define = Define(f"d{i}", says, type_, reads)
        world = replace(
            world, defines=(*world.defines, define), texts=(*world.texts, f"define {define.name} = {says.text}")
        )
    return world


# --- as text ---------------------------------------------------------------------------------------------------------


def _written(rng: Random, world: World) -> World:
    texts = [
        *(_type_text(rng, type_) for type_ in world.types),
        *(_queue_text(rng, name, world.queues[-1]) for name in world.queues),
        *(_fact_text(fact) for fact in world.facts),
        *_agent_texts(rng, world),
        *(_tool_text(rng, tool) for tool in world.tools),
        *(f"tools {name} = {', '.join(members)}" for name, members in world.groups.items()),
        *(f"event {name} {_braced(fields)}".rstrip() for name, fields in world.outside.items()),
        *(f"event {kind} {_braced(fields)}" for kind, fields in world.more.items()),
        *(_speech_text("disclosure", name, slots, world) for name, slots in world.disclosures.items()),
        *(_speech_text("prompt", name, slots, world) for name, slots in world.prompts.items()),
        *_assumptions(rng, world),
        *world.texts,
    ]
    return replace(world, texts=tuple(texts))


def _type_text(rng: Random, type_: EnumType | RecordType) -> str:
    if isinstance(type_, RecordType):
        return f"record {type_.name} {_braced(type_.fields)}"
    values = (f'{name} as "{name} (it)"' if rng.random() < 0.1 else name for name in type_.values)
    return f"enum {type_.name} {{ {', '.join(values)} }}"


def _queue_text(rng: Random, name: str, last: str) -> str:
    """A queue; the last one may be tried again in a turn."""
    again = " up to 2 times" if name == last else _up_to(rng)
    return f"queue {name} within {rng.choice(('10 s', '2 minutes'))}{again}"


def _fact_text(fact: Fact) -> str:
    initial = "" if fact.initial is None else f" = {fact.initial}"
    return f"{'turn ' if fact.turn else ''}fact {fact.name}: {spelled(fact.type)}{initial}"


def _agent_texts(rng: Random, world: World) -> Iterator[str]:
    for name, fields in world.agents.items():
        defaults = (f" = {literal(rng, type_)}" if rng.random() < 0.15 else "" for _, type_ in fields)
        listed = ", ".join(f"{n}: {spelled(t)}{d}" for (n, t), d in zip(fields, defaults, strict=True))
        chain = " else a1" if name == "a0" and world.agents.get("a1") == fields and rng.random() < 0.7 else ""
        yield f"agent {name} suggests {{ {listed} }} within 300 ms{chain}{_up_to(rng)}"


def _tool_text(rng: Random, tool: Tool) -> str:
    params = ", ".join(f"{name}: {spelled(type_)}" for name, type_ in tool.args)
    mode = "writes" + rng.choice((" idempotent", "")) if tool.writes else "reads"
    return f"tool {tool.name}({params}) returns {_braced(tool.returns) or '{}'} {mode} within 2 s{_up_to(rng)}"


def _up_to(rng: Random) -> str:
    return f" up to {rng.randint(2, 3)} times" if rng.random() < 0.3 else ""


def _braced(fields: Fields) -> str:
    return f"{{ {', '.join(f'{name}: {spelled(type_)}' for name, type_ in fields)} }}" if fields else ""


def _speech_text(kind: str, name: str, slots: Fields, world: World) -> str:
    params = f"({', '.join(f'{slot}: {spelled(type_)}' for slot, type_ in slots)})" if slots else ""
    says = "".join(f" {{{slot}}}" for slot, _ in slots)
    texts = " ".join(f'{language} "{name}{says}."' for language in world.languages)
    return f"{kind} {name}{params} {{ {texts} }}"


def _assumptions(rng: Random, world: World) -> Iterator[str]:
    for tool in world.tools:
        if tool.returns and rng.random() < 0.25:
            sight = Sight(tuple(Leaf(f"its {name}", type_) for name, type_ in (*tool.args, *tool.returns)))
            yield f"assume {tool.name} returns {condition(rng, sight, 1).text}"
