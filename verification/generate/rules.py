"""Random rules: some answer whatever must be answered, the others do what they like.

Strata come out acyclic by construction: facts have an order, a rule reads final values only of facts before all those
that it writes, and overrides only rules whose writes are not before its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random

from charter.dsl.types import DURATION, OptionalType, Type
from charter.verification.generate.expressions import Condition, Sight, condition, value
from charter.verification.generate.world import Fields, World

ENDING = ("hangup", "escalated")


@dataclass(frozen=True, slots=True)
class Reference:
    """An event as a rule or a requirement writes it, the kinds that it means, and the fields that all of them have."""

    text: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is written. `level` is the place of the first fact that it writes."""

    name: str
    kinds: tuple[str, ...]
    level: int
    text: str
    acts: tuple[tuple[str, str], ...]  # kind and name


@dataclass(frozen=True, slots=True)
class Block:
    """Rules in a section, or one rule without: `head` is empty then."""

    head: str
    rules: tuple[str, ...]

    @property
    def text(self) -> str:
        """The block as it is written."""
        return f"{self.head} {{\n" + "\n".join(self.rules) + "\n}" if self.head else "\n".join(self.rules)


def rules_of(rng: Random, world: World, count: int, human: "Condition | None") -> tuple[tuple[Block, ...], list[Rule]]:
    """Rules for these declarations; with `human`, one that honours that condition on an agent's answer."""
    writing = _Writing(rng, world)
    writing.answers(human)
    writing.starters()
    blocks = [Block("", (rule.text,)) for rule in writing.rules]
    while count > 0:
        if rng.random() < 0.1:
            inside = rng.randint(1, 3)
            blocks.append(writing.section(inside))
            count -= inside
        else:
            blocks.append(Block("", (writing.free().text,)))
            count -= 1
    failures = writing.failures()
    blocks += [Block("", (rule.text,)) for rule in failures]
    rng.shuffle(blocks)
    return tuple(blocks), writing.rules


def references(world: World) -> dict[str, list[Reference]]:
    """Every event that can be written, by what it is about."""
    kinds = world.events()
    single = [Reference(kind, (kind,)) for kind in kinds]
    found: dict[str, list[Reference]] = {"customer": [], "answer": [], "other": []}
    for reference in single:
        kind = reference.kinds[0]
        if kind in ("start", "utterance", "keys", "silence"):
            found["customer"].append(reference)
        elif kind.split(" ")[0] in (*world.agents, *(tool.name for tool in world.tools)):
            found["answer"].append(reference)
        else:
            found["other"].append(reference)
    for name, members in world.groups.items():
        found["answer"].append(Reference(name, members))
        found["answer"].append(Reference(f"{name} fails", tuple(f"{member} fails" for member in members)))
        writes = tuple(f"{tool.name} uncertain" for tool in world.tools if tool.name in members and tool.writes)
        if writes:
            found["answer"].append(Reference(f"{name} uncertain", writes))
    for mark, names in (("heard", world.disclosures), ("cut", world.disclosures), ("escalated", world.queues)):
        found["other"].append(Reference(f"{mark} any", tuple(f"{mark} {name}" for name in names)))
    failed = tuple(f"escalate {name} fails" for name in world.queues)
    found["other"] += [Reference("escalate any fails", failed)] * 2
    return found


def shared_fields(world: World, kinds: Iterable[str]) -> Fields:
    """The fields that all these kinds of event have, with one type."""
    all_fields = world.events()
    sets = [dict(all_fields[kind]) for kind in kinds]
    return tuple((name, t) for name, t in sets[0].items() if all(fields.get(name) == t for fields in sets))


class _Writing:
    """The rules so far; names are given in order."""

    def __init__(self, rng: Random, world: World) -> None:
        self._rng = rng
        self._world = world
        self._references = references(world)
        self._order = {fact.name: i for i, fact in enumerate(world.facts)}
        self.rules: list[Rule] = []

    # --- kinds of rules

    def answers(self, human: Condition | None) -> None:
        """Rules that answer each event after which the customer must be answered."""
        rng, world = self._rng, self._world
        if human is not None:
            act = f"escalate {rng.choice(world.queues)}"
            self._rule([self._named("a0")], Condition(human.text.replace("a0.", "its ")), [act])
        must = [*self._references["customer"]]
        must += [self._named(kind) for name in self._world.agents for kind in (name, f"{name} fails")]
        must += [self._named(kind) for tool in world.tools for kind in (tool.name, f"{tool.name} fails")]
        must += [self._named(f"{tool.name} uncertain") for tool in world.tools if tool.writes]
        while must:
            group = [must.pop(rng.randrange(len(must))) for _ in range(min(len(must), rng.choice((1, 1, 2, 3))))]
            kinds = [kind for reference in group for kind in reference.kinds]
            first = all(kind in ("start", "utterance", "keys", "silence") for kind in kinds)
            sight = world.sight(frozenset(self._order), shared_fields(world, kinds))
            if rng.random() < 0.3:
                when = condition(rng, sight, 1)
                self._rule(group, when, self._answering(first, sight.knowing(when.known)))
                self._rule(group, Condition(f"not {when.closed}"), self._answering(first, sight))
            else:
                self._rule(group, None, self._answering(first, sight))

    def starters(self) -> None:
        """Rules that start every timer and collect everything that is declared so."""
        rng, world = self._rng, self._world
        for name in world.timers:
            on = rng.choice((*self._references["customer"], *self._references["answer"]))
            sight = world.sight(frozenset(self._order), shared_fields(world, on.kinds))
            self._rule([on], None, [f"start timer {name} for {value(rng, DURATION, sight)}"])
        for name in world.collected:
            on = rng.choice(self._references["customer"])
            when = None if name == world.collected[0] else condition(rng, world.sight(frozenset(self._order)), 1)
            self._rule([on], when, [f"collect {name}"])

    def free(self, head: Condition | None = None, head_level: int = 0) -> Rule:
        """A rule that does what it likes; inside a section, it knows that the section's condition holds."""
        rng, world = self._rng, self._world
        on = self._triggers()
        kinds = [kind for reference in on for kind in reference.kinds]
        writable = world.facts[head_level:]
        writes = rng.sample(writable, min(len(writable), rng.choice((0, 0, 0, 1, 1, 2))))
        level = min((self._order[fact.name] for fact in writes), default=len(world.facts))
        final = frozenset(name for name, i in self._order.items() if i < level) | {fact.name for fact in writes}
        sight = world.sight(final, shared_fields(world, kinds))
        if head is not None:
            sight = sight.knowing(head.known)
        when = condition(rng, sight) if rng.random() < 0.45 else None
        inside = sight.knowing(when.known) if when is not None else sight
        acts = [self._write(fact.name, fact.type, inside) for fact in writes]
        ending = any(kind.split(" ")[0] in ENDING for kind in kinds)
        for _ in range(rng.choice((0, 1, 1, 2)) if acts else rng.choice((1, 1, 2))):
            acts.append(self._act(inside, ending, leaves=when is not None))
        return self._rule(on, when, acts, level)

    def section(self, count: int) -> Block:
        """A section with so many rules."""
        rng, world = self._rng, self._world
        head_level = rng.randint(0, len(world.facts) // 2)
        readable = frozenset(name for name, i in self._order.items() if i < head_level)
        head = condition(rng, world.sight(readable), 1) if rng.random() < 0.8 else None
        when = f" when {head.text}" if head is not None else ""
        rules = [self.free(head, head_level) for _ in range(count)]
        return Block(f'section "part {len(self.rules)}"{when}', tuple(rule.text for rule in rules))

    def failures(self) -> list[Rule]:
        """Rules for the failures of what the others started, which no rule handles yet."""
        rng = self._rng
        started = {act for rule in self.rules for act in rule.acts}
        handled = {kind for rule in self.rules for kind in rule.kinds}
        kinds = [f"collect {name} fails" for name in self._world.collected]
        kinds += [f"escalate {name} fails" for name in self._world.queues if ("escalate", name) in started]
        missing = [self._named(kind) for kind in kinds if kind not in handled]
        found = []
        while missing:
            group, missing = missing[:2], missing[2:]
            act = rng.choice((self._speak(Sight(), "say"), 'end because "nobody: {reason}"'))
            found.append(self._rule(group, None, [act]))
        return found

    # --- parts of rules

    def _rule(self, on: list[Reference], when: Condition | None, acts: list[str], level: int | None = None) -> Rule:
        name = f"r{len(self.rules)}"
        level = len(self._world.facts) if level is None else level
        kinds = tuple(dict.fromkeys(kind for reference in on for kind in reference.kinds))
        over = self._overridden(kinds, level)
        triggers = " or ".join(self._trigger(reference, level) for reference in on)
        guard = "" if when is None else f" when {when.text}"
        acts = [act if self._ends(act, kinds, when) else self._speak(Sight(), "say") for act in acts]
        between = self._rng.choice(("  ", " ; "))
        text = f"rule {name}{over} on {triggers}{guard}\n  do {between.join(acts)}"
        rule = Rule(name, kinds, level, text, tuple(_kind_and_name(act) for act in acts))
        self.rules.append(rule)
        return rule

    def _ends(self, act: str, kinds: tuple[str, ...], when: Condition | None) -> bool:
        """Whether an act ends in time where it follows its own kind: to later queues, or to the last on a condition.

        Nothing is disclosed again because it was heard, but on a condition.
        """
        kind, name = _kind_and_name(act)
        if kind == "escalate":
            order = self._world.queues
            failed = [order.index(queue) for queue in order if f"escalate {queue} fails" in kinds]
            again = name == order[-1] and when is not None
            return again or all(at < order.index(name) for at in failed)
        return kind != "disclose" or when is not None or not any(on.startswith("heard ") for on in kinds)

    def _trigger(self, reference: Reference, level: int) -> str:
        if level < len(self._world.facts) and self._rng.random() < 0.15:
            final = frozenset(name for name, i in self._order.items() if i < level)
            its = shared_fields(self._world, reference.kinds)
            return f"{reference.text} (when {condition(self._rng, self._world.sight(final, its), 1).text})"
        return reference.text

    def _overridden(self, kinds: tuple[str, ...], level: int) -> str:
        if self._rng.random() > 0.25:
            return ""
        fitting = [rule.name for rule in self.rules if rule.level > level and not set(kinds).isdisjoint(rule.kinds)]
        fitting += [rule.name for rule in self.rules if rule.level == level and not set(kinds).isdisjoint(rule.kinds)]
        over = self._rng.sample(fitting, min(len(fitting), self._rng.choice((1, 1, 2))))
        return f" overrides {', '.join(over)}" if over else ""

    def _triggers(self) -> list[Reference]:
        rng = self._rng
        about = rng.choice(("customer", "customer", "answer", "answer", "answer", "other", "mixed"))
        if about == "mixed":
            pool = [reference for some in self._references.values() for reference in some]
        else:
            pool = self._references[about]
        return rng.sample(pool, min(len(pool), rng.choice((1, 1, 2, 3))))

    def _named(self, kind: str) -> Reference:
        return Reference(kind, (kind,))

    def _write(self, name: str, type_: Type, sight: Sight) -> str:
        if isinstance(type_, OptionalType) and self._rng.random() < 0.2:
            return f"forget {name}"
        return f"set {name} = {value(self._rng, type_, sight, sure=False)}"

    def _answering(self, first: bool, sight: Sight) -> list[str]:
        """Acts that answer, or that start something whose every answer is answered."""
        rng, world = self._rng, self._world
        chance = rng.random()
        if first and chance < 0.5:
            names = list(world.agents)
            return [f"ask {', '.join(rng.sample(names, min(len(names), rng.choice((1, 1, 2)))))}"]
        if first and chance < 0.65 and world.tools:
            return [self._call(sight)]
        if chance < 0.67:
            return [self._escalate(sight)]
        if chance < 0.85:
            return [self._speak(sight, "disclose"), self._speak(sight, "say")]
        return [self._speak(sight, "say")]

    def _act(self, sight: Sight, ending: bool, leaves: bool) -> str:
        rng, world = self._rng, self._world
        kinds = ["note"] * 4 if ending else ["note", "ask", "say", "say", "disclose", "disclose", "say"]
        if world.tools:
            kinds += ["call", "call"]
        if leaves and not ending:
            kinds += rng.choice((["escalate"], ["end"], [], [], [], []))
        match rng.choice(kinds):
            case "ask":
                return f"ask {rng.choice(list(world.agents))}"
            case "call":
                return self._call(sight)
            case "escalate":
                return self._escalate(sight)
            case "end":
                return rng.choice(("end", 'end because "done"'))
            case "note":
                return f'note "{rng.choice(("seen", "done"))}{self._slot(sight)}"'
            case kind:
                return self._speak(sight, kind)

    def _call(self, sight: Sight) -> str:
        tool = self._rng.choice(self._world.tools)
        return f"call {tool.name}({self._arguments(tool.args, sight)})"

    def _escalate(self, sight: Sight) -> str:
        queue = self._world.queues[0] if self._rng.random() < 0.8 else self._rng.choice(self._world.queues)
        because = f' because "why{self._slot(sight)}"' if self._rng.random() < 0.5 else ""
        return f"escalate {queue}{because}"

    def _speak(self, sight: Sight, kind: str) -> str:
        table: Mapping[str, Fields] = self._world.prompts if kind == "say" else self._world.disclosures
        name = self._rng.choice(list(table))
        return f"{kind} {name}({self._arguments(table[name], sight)})" if table[name] else f"{kind} {name}"

    def _arguments(self, fields: Fields, sight: Sight) -> str:
        return ", ".join(f"{name}: {value(self._rng, type_, sight)}" for name, type_ in fields)

    def _slot(self, sight: Sight) -> str:
        names = [leaf.text.removeprefix("its ") for leaf in sight.leaves if leaf.text.startswith("its ")]
        names += [fact.name for fact in self._world.facts if any(leaf.text == fact.name for leaf in sight.leaves)]
        names = [name for name in names if name != "now"]
        return f" {{{self._rng.choice(names)}}}" if names and self._rng.random() < 0.4 else ""


def _kind_and_name(act: str) -> tuple[str, str]:
    """The kind and the name of an act as it is written: `call t0(p0: 1)` is a call of t0."""
    kind, _, rest = act.partition(" ")
    if kind in ("note", "end"):
        return kind, ""
    if act.startswith("start timer "):
        return "timer", act.split(" ")[2]
    return kind, rest.split(" ")[0].split("(")[0].rstrip(",")
