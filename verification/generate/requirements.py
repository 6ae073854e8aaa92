"""Random requirements: every form, over what the rules of a policy do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from charter.dsl.types import Type
from charter.verification.generate.expressions import Condition, Sight, condition
from charter.verification.generate.rules import Rule, references, shared_fields
from charter.verification.generate.world import Fields, World

NAMED_ACTS = ("disclose", "say", "collect", "ask", "call", "escalate")


@dataclass(frozen=True, slots=True)
class _Happening:
    """A happening as it is written, and the fields that it has."""

    text: str
    its: Fields
    known: frozenset[str] = frozenset()


def requirements_of(rng: Random, world: World, rules: list[Rule], count: int) -> tuple[str, ...]:
    """So many requirements of random forms, of which at most one replaces a built-in one."""
    writing = _Writing(rng, world, rules)
    forms = rng.sample(FORMS, count) if count <= len(FORMS) else [rng.choice(FORMS) for _ in range(count)]
    texts = []
    for i, form in enumerate(forms):
        said = rng.choice(("", ' "it must"', ' "it must" cites "Act 1.2"'))
        texts.append(f"require c{i}{said}{writing.replaces() if i == 0 else ''}\n  {form(writing)}")
    return tuple(texts)


class _Writing:
    """What the requirements of one policy can be about."""

    def __init__(self, rng: Random, world: World, rules: list[Rule]) -> None:
        self.rng = rng
        self._world = world
        self._acts = sorted({act for rule in rules for act in rule.acts if act[0] in (*NAMED_ACTS, "note", "end")})
        self._events = [reference for some in references(world).values() for reference in some]
        self._written = sorted({f.name for f in world.facts for rule in rules if f"set {f.name} " in rule.text})
        self._sight = world.sight(frozenset(fact.name for fact in world.facts))
        self._args: dict[tuple[str, str], Fields] = {
            **{("call", tool.name): tool.args for tool in world.tools},
            **{("say", name): slots for name, slots in world.prompts.items()},
            **{("disclose", name): slots for name, slots in world.disclosures.items()},
        }

    def replaces(self) -> str:
        """Now and then, the built-in requirement that this one replaces."""
        name = self.rng.choice(("answered", "human_wanted"))
        return f' replaces built-in {name} because "we say so"' if self.rng.random() < 0.08 else ""

    def condition(self, its: Fields | None = None, known: frozenset[str] = frozenset()) -> Condition:
        """A condition on final values, and on fields where there are any."""
        sight = self._sight if its is None else self._world.sight(frozenset(f.name for f in self._world.facts), its)
        return condition(self.rng, sight.knowing(known), self.rng.choice((0, 1, 1, 2)))

    def happenings(self, *, kinds: str = "act act act event change") -> _Happening:
        """One happening, or two joined by `or`."""
        first = self._happening(kinds)
        if self.rng.random() > 0.2:
            return first
        second = self._happening(kinds)
        others = dict(second.its)
        its = tuple((name, type_) for name, type_ in first.its if others.get(name) == type_)
        return _Happening(f"{first.text} or {second.text}", its)

    def speech(self) -> _Happening:
        """Something said, or a transfer."""
        said = [act for act in self._acts if act[0] in ("say", "disclose", "escalate", "collect")]
        return self._narrowed(*self._act(self.rng.choice(said)))

    def disclosures(self) -> str:
        """Some disclosures."""
        names = list(self._world.disclosures)
        return ", ".join(self.rng.sample(names, self.rng.randint(1, len(names))))

    def _happening(self, kinds: str) -> _Happening:
        match self.rng.choice(kinds.split(" ")):
            case "change" if self._written:
                return self._narrowed(f"change of {self.rng.choice(self._written)}", ())
            case "event":
                reference = self.rng.choice(self._events)
                return self._narrowed(reference.text, shared_fields(self._world, reference.kinds))
            case _:
                return self._narrowed(*self._act(self.rng.choice(self._acts)))

    def _act(self, act: tuple[str, str]) -> tuple[str, Fields]:
        """An act as a requirement writes it: by name, any of its kind, or any but some."""
        kind, name = act
        if kind in ("note", "end"):
            return f"{kind} any", ()
        names = self._names(kind)
        chance = self.rng.random()
        if chance < 0.6:
            return f"{kind} {name}", self._args.get(act, ())
        if kind == "call" and self._world.groups and chance < 0.75:
            return "call both", self._shared("call", self._world.groups["both"])
        if chance < 0.9 or len(names) < 2:
            return f"{kind} any", self._shared(kind, names)
        others = [other for other in names if other != name]
        excepted = self.rng.sample(others, 1)
        return f"{kind} any except {excepted[0]}", self._shared(kind, (n for n in names if n not in excepted))

    def _names(self, kind: str) -> list[str]:
        world = self._world
        tables: dict[str, Iterable[str]] = {
            "disclose": world.disclosures,
            "say": world.prompts,
            "collect": (fact.name for fact in world.facts),
            "ask": world.agents,
            "call": (tool.name for tool in world.tools),
            "escalate": world.queues,
        }
        return list(tables[kind])

    def _shared(self, kind: str, names: Iterable[str]) -> Fields:
        sets: list[dict[str, Type]] = [dict(self._args.get((kind, name), ())) for name in names]
        return tuple((name, t) for name, t in sets[0].items() if all(fields.get(name) == t for fields in sets))

    def _narrowed(self, text: str, its: Fields) -> _Happening:
        if self.rng.random() > 0.25:
            return _Happening(text, its)
        sight: Sight = self._world.sight(frozenset(fact.name for fact in self._world.facts), its)
        when = condition(self.rng, sight, 1)
        return _Happening(f"{text} (when {when.text})", its, when.known)


# --- forms -----------------------------------------------------------------------------------------------------------


def _before(w: _Writing) -> str:
    return f"{w.happenings().text} before {w.happenings().text}"


def _only_after(w: _Writing) -> str:
    new = w.rng.choice(("", "", "new "))
    return f"{w.happenings().text} only after {new}{w.happenings().text}{_since(w)}"


def _only_after_all(w: _Writing) -> str:
    return f"{w.happenings().text} only after (disclose {w.disclosures()}){_since(w)}"


def _since(w: _Writing) -> str:
    return f" since {w.happenings().text}" if w.rng.random() < 0.4 else ""


def _only_if(w: _Writing) -> str:
    what = w.happenings()
    return f"{what.text} only if {w.condition(what.its, what.known).text}"


def _exactly_if(w: _Writing) -> str:
    return f"{w.happenings().text} if and only if {w.condition().text}"


def _only_between(w: _Writing) -> str:
    return f"{w.happenings().text} only between {w.happenings().text} and {w.happenings().text}"


def _at_most(w: _Writing) -> str:
    per_turn = w.rng.choice(("", " per turn"))
    return f"{w.happenings().text} at most {w.rng.choice((1, 1, 2, 3))} times{_since(w)}{per_turn}"


def _once(w: _Writing) -> str:
    return f"{w.happenings().text} once{w.rng.choice(('', ' per turn', ' per turn'))}"


def _never(w: _Writing) -> str:
    what = w.happenings()
    return f"never {what.text} if {w.condition(what.its, what.known).text}"


def _never_at_all(w: _Writing) -> str:
    what = w.happenings()
    return f"never {what.text} if {w.condition(what.its).text}" if "(when" not in what.text else f"never {what.text}"


def _never_with(w: _Writing) -> str:
    return f"never {w.happenings().text} with {w.happenings().text}"


def _never_from(w: _Writing) -> str:
    return f"never {w.happenings().text} from {w.happenings().text} until {w.happenings().text}"


def _whenever(w: _Writing) -> str:
    deadline = w.rng.choice(("in this turn", "next", "before end"))
    pays = w.speech() if deadline == "next" else w.happenings(kinds="act act act event change")
    return f"whenever {_occasion(w)}: {pays.text} {deadline}"


def _occasion(w: _Writing) -> str:
    chance = w.rng.random()
    if chance < 0.4:
        return w.condition().closed
    if chance < 0.85:
        return w.happenings(kinds="act event event event change").text
    return f"{w.condition().closed} or {w.happenings().text}"


FORMS: tuple[Callable[[_Writing], str], ...] = (
    _before, _only_after, _only_after, _only_after_all, _only_if, _exactly_if, _only_between, _at_most, _at_most, _once,
    _never, _never_at_all, _never_with, _never_from, _whenever, _whenever, _whenever,
)  # fmt: skip
