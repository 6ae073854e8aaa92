"""What generated policies and conversations reach: constructs by policy, happenings by step."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass

from charter.dsl.program import OVER, TURN_OPEN, ActKind, Opening, Program, Role
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.verification.generate.events import Taken


@dataclass(slots=True)
class Coverage:
    """Counts, which grow with every policy and step that is added."""

    policies: int = 0
    steps: int = 0
    constructs: Counter[str] = field(default_factory=Counter)  # in how many policies
    happenings: Counter[str] = field(default_factory=Counter)  # in how many steps
    broken: Counter[str] = field(default_factory=Counter)  # in how many steps, by form or built-in

    def policy(self, clauses: Iterable[s.Clause]) -> None:
        """Adds a policy."""
        self.policies += 1
        self.constructs.update(constructs(tuple(clauses)))

    def step(self, program: Program, clauses: Iterable[s.Clause], taken: Taken) -> None:
        """Adds a step of that policy; an event that was dropped is none."""
        if taken.outcome.dropped is not None:
            self.happenings["dropped"] += 1
            return
        self.steps += 1
        self.happenings.update(set(happenings(program, taken)))
        forms = {c.name.text: c.form for c in clauses if isinstance(c, s.Require)}
        self.broken.update(
            {form_name(forms[b.requirement]) if b.requirement in forms else b.requirement for b in taken.outcome.broken}
        )

    def of_policies(self, construct: str) -> float:
        """The share of policies that have a construct."""
        return self.constructs[construct] / max(1, self.policies)

    def of_steps(self, happening: str) -> float:
        """The share of steps in which something happened."""
        return self.happenings[happening] / max(1, self.steps)

    def __str__(self) -> str:
        shares = [(f"{name}", self.of_policies(name)) for name in sorted(self.constructs)]
        happened = [(f"{name}", self.of_steps(name)) for name in sorted(self.happenings)]
        lines = [f"{self.policies} policies", *(f"  {share:7.1%}  {name}" for name, share in shares)]
        lines += [f"{self.steps} steps", *(f"  {share:7.1%}  {name}" for name, share in happened)]
        lines += ["broken", *(f"  {count:7}  {name}" for name, count in sorted(self.broken.items()))]
        return "\n".join(lines)


# --- constructs ------------------------------------------------------------------------------------------------------


def constructs(node: object) -> set[str]:
    """Every construct of the language that is used in a piece of syntax."""
    found: set[str] = set()
    pending = [node]
    while pending:
        at = pending.pop()
        if isinstance(at, tuple):
            pending += at
        elif is_dataclass(at) and not isinstance(at, Span):
            found.update(_construct(at))
            pending += [getattr(at, f.name) for f in fields(at)]
    return found


def _construct(node: object) -> Iterator[str]:
    match node:
        case s.Policy(languages=languages, human_wanted=wanted):
            yield from _named(("two languages", len(languages) > 1), ("human wanted", wanted is not None))
        case s.Enum(values=values):
            yield from _named(("enum", True), ("spelled value", any(v.spelled for v in values)))
        case s.Fact(turn, _, _, initial):
            yield "turn fact" if turn else "fact"
            yield from _named(("fact without a value", initial is None))
        case s.NamedType(name):
            yield name if name in ("bool", "id", "time", "duration") else "named type"
        case s.Define(params=params):
            yield "define" if params is None else "define with parameters"
        case s.Agent(fields=given, otherwise=otherwise, up_to=up_to):
            yield from _named(("default", any(f.default for f in given)), ("else", otherwise), ("ask up to", up_to))
        case s.Tool(reads=reads, idempotent=idempotent, up_to=up_to):
            yield "reads" if reads else "writes"
            yield from _named(("idempotent", idempotent), ("call up to", up_to))
        case s.Queue(up_to=up_to):
            yield from _named(("queue", True), ("escalate up to", up_to))
        case s.OutsideEvent(name):
            yield "added fields" if name.text in ("start", "utterance", "hangup") else "outside event"
        case s.Speech(kind, _, params):
            yield from _named((kind, True), (f"{kind} with slots", params))
        case s.Section(when=when):
            yield from _named(("section", True), ("section when", when is not None))
        case s.Rule(overrides=overrides, triggers=triggers, when=when):
            yield from _named(("overrides", overrides), ("rule on … or …", len(triggers) > 1), ("rule when", when))
        case s.EventRef(mark, name):
            yield f"on {mark or 'an event'}{'' if name else ' any'}"
        case s.ActRef(kind, name, excepted):
            yield f"{kind} required"
            yield from _named(("any", name is None), ("except", excepted))
        case s.Happening(when=when):
            yield from _named(("(when …)", when is not None))
        case s.Comparison(op, known):
            yield f"{'known' if known else ''}{op}"
        case s.Junction(op) | s.Arithmetic(op):
            yield op
        case s.Apply(name):
            yield name.text if name.text in ("disclosed", "called", "pending") else "applied"
        case s.IsKnown(_, known):
            yield "is known" if known else "is unknown"
        case s.Ask(agents):
            yield from _named(("ask", True), ("ask several", len(agents) > 1))
        case s.Escalate(_, because) | s.End(because):
            yield type(node).__name__.lower()
            yield from _named(("because", because is not None))
        case s.Require(_, text, cites, replaces, _, form):
            yield form_name(form)
            yield from _named(("text", text), ("cites", cites), ("replaces built-in", replaces))
        case s.Name() | s.Argument() | s.Field() | s.EnumValue():
            pass
        case _ if not isinstance(node, s.Form):
            yield type(node).__name__.lower()


def form_name(form: s.Form) -> str:
    """A form of requirement, as a policy spells it."""
    match form:
        case s.Before():
            return "before"
        case s.OnlyAfter(_, _, new, since):
            return f"only after{' new' if new else ''}{' since' if since else ''}"
        case s.OnlyAfterAll(_, _, since):
            return f"only after all{' since' if since else ''}"
        case s.OnlyIf(_, _, exactly):
            return "if and only if" if exactly else "only if"
        case s.OnlyBetween():
            return "only between"
        case s.AtMost(_, times, since, per_turn):
            many = "once" if times is None else "at most"
            return f"{many}{' since' if since else ''}{' per turn' if per_turn else ''}"
        case s.Never(_, condition):
            return "never" if condition is None else "never if"
        case s.NeverWith():
            return "never with"
        case s.NeverFrom():
            return "never from until"
        case s.Whenever(_, _, deadline):
            return f"whenever {deadline}"


def _named(*those: tuple[str, object]) -> Iterator[str]:
    return (name for name, truth in those if truth)


# --- happenings ------------------------------------------------------------------------------------------------------


def happenings(program: Program, taken: Taken) -> Iterator[str]:
    """What a step shows of the meaning of a policy."""
    before, event, outcome = taken.state, taken.event, taken.outcome
    info = program.events[event.kind]
    facts = [name for name, variable in program.variables.items() if variable.role is Role.FACT]
    yield from _named(
        ("fired two or more", len(outcome.fired) > 1),
        ("fired none", not outcome.fired),
        ("overridden", outcome.overridden),
        ("safe stop", outcome.broken),
        ("turn opened", not before[TURN_OPEN] and info.opening is not Opening.JOINS),
        ("turn reopened", not before[TURN_OPEN] and info.opening is Opening.JOINS and not before[OVER]),
        ("turn closed", not outcome.state[TURN_OPEN]),
        ("conversation over", outcome.state[OVER] and not before[OVER]),
        ("settled after the end", before[OVER]),
        ("fact changed", any(outcome.old[name] != outcome.state[name] for name in facts)),
    )
    yield from {f"act {act.kind}" for act in outcome.acts}
    if any(act.kind is ActKind.EXHAUSTED for act in outcome.acts):
        yield "exhausted"
    yield f"event {_event(event.kind, program)}"


def _event(kind: str, program: Program) -> str:
    """What kind of event it is, its name left out."""
    words = kind.split(" ")
    if words[0] in program.agents:
        return " ".join(["agent", *words[1:]])
    if words[0] in program.tools:
        return " ".join(["tool", *words[1:]])
    if words[0] in ("collected", "collect", "escalated", "escalate", "heard", "cut", "timer"):
        return " ".join([words[0], *words[2:]])
    return kind if kind in ("start", "utterance", "keys", "silence", "interrupt", "hangup") else "outside"
