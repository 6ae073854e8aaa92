"""From written requirements to watches over ghosts: each form once, for the run-time monitor and the proof alike."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from charter.dsl import program as p
from charter.dsl.diagnostics import Code, did_you_mean
from charter.dsl.evaluate import constant
from charter.dsl.lower.environment import ANSWERED_OPENINGS, MUST_ANSWER, Environment
from charter.dsl.lower.expressions import condition, variable_of
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.happenings import acts_of, kinds_of, names_of_kind
from charter.dsl.lower.names import Names, Parameters
from charter.dsl.lower.scope import Scope
from charter.dsl.program import (
    FALSE,
    TRUE,
    ActKind,
    And,
    Arrival,
    Changed,
    Closing,
    EventKind,
    Expr,
    Finished,
    Leaving,
    Lifetime,
    Moment,
    Not,
    Or,
    Read,
    Requirement,
    Role,
    Settled,
    State,
    Variable,
    VariableInfo,
    Watch,
)
from charter.dsl.syntax import tree as s
from charter.dsl.types import BOOL, IntType, Type

_T = TypeVar("_T")

ANSWERED, HUMAN_WANTED = "answered", "human_wanted"
BUILT_IN = {
    ANSWERED: "every turn that the customer opens is answered by its close",
    HUMAN_WANTED: "who wants a person is transferred in that turn",
}
ANSWERS = (ActKind.SAY, ActKind.DISCLOSE, ActKind.COLLECT, ActKind.ESCALATE, ActKind.END)
SPEECH = (ActKind.SAY, ActKind.DISCLOSE, ActKind.COLLECT, ActKind.ESCALATE)


@dataclass(frozen=True, slots=True)
class Lowered:
    """The requirements, built-in ones included, and the ghosts that they remember with."""

    requirements: list[Requirement] = field(default_factory=list)
    ghosts: dict[Variable, VariableInfo] = field(default_factory=dict)


def requirements_of(names: Names, world: Environment, initial: State, findings: Findings) -> Lowered:
    """Lowers every requirement of the policy, and those built in that none replaces. `initial`: facts and books."""
    lowered = Lowered()
    replaced: set[str] = set()
    for clause in names.requirements.values():
        lowering = _Lowering(clause.name.text, names, world, findings, initial, lowered.ghosts)
        if clause.replaces is not None:
            if clause.replaces.text not in BUILT_IN:
                help_ = did_you_mean(clause.replaces.text, BUILT_IN)
                message = f"there is no built-in `{clause.replaces.text}` that can be replaced"
                findings.error(Code.UNKNOWN_NAME, message, clause.replaces.span, help_)
            replaced.add(clause.replaces.text)
        watches = lowering.form(clause.form)
        text = clause.text.text if clause.text else clause.name.text.replace("_", " ")
        cites = clause.cites.text if clause.cites else None
        lowered.requirements.append(Requirement(clause.name.text, text, cites, clause.span, tuple(watches)))
    for name in BUILT_IN:
        if name not in replaced:
            lowering = _Lowering(name, names, world, findings, initial, lowered.ghosts)
            watches = lowering.answered() if name == ANSWERED else lowering.human_wanted()
            if watches:
                lowered.requirements.append(Requirement(name, BUILT_IN[name], None, None, tuple(watches)))
    return lowered


@dataclass(frozen=True, slots=True)
class _Observed:
    """A moment with its narrowing condition, and the fields that can be mentioned there."""

    moment: Moment
    when: Expr
    its: Parameters
    of: str


class _Lowering:
    """One requirement: its ghosts are named after it."""

    def __init__(
        self,
        name: str,
        names: Names,
        world: Environment,
        findings: Findings,
        initial: State,
        ghosts: dict[Variable, VariableInfo],
    ) -> None:
        self._name = name
        self._names = names
        self._world = world
        self._findings = findings
        self._initial = initial
        self._ghosts = ghosts

    def form(self, form: s.Form) -> list[Watch]:
        """The watches of a written form."""
        match form:
            case s.Before(first, then):
                return self._only_after(then, first, False, ())
            case s.OnlyAfter(what, first, new, since):
                return self._only_after(what, first, new, since)
            case s.OnlyAfterAll(what, disclosures, since):
                return self._only_after_all(what, disclosures, since)
            case s.OnlyIf(what, cond, exactly):
                return self._exactly_if(what, cond) if exactly else self._only_if(what, cond)
            case s.OnlyBetween(what, first, last):
                return self._only_after(what, first, False, last)
            case s.AtMost(what, times, since, per_turn):
                return self._at_most(what, times, since, per_turn)
            case s.Never(what, cond):
                return [
                    Watch(o.moment, o.when, TRUE if cond is None else self._condition(cond, o))
                    for o in self._observed(what)
                ]
            case s.NeverWith(what, other):
                return self._never_with(what, other)
            case s.NeverFrom(what, first, last):
                return self._never_from(what, first, last)
            case s.Whenever(trigger, what, deadline):
                occasions = self._occasions(trigger)
                match deadline:
                    case "in this turn":
                        return self._in_this_turn(occasions, what)
                    case "next":
                        return self._next(occasions, what)
                    case _:
                        return self._before_end(occasions, what)

    # --- built in

    def answered(self) -> list[Watch]:
        """Every turn that the customer opens is answered by its close; hanging up excuses."""
        owed = self._ghost("owed", Lifetime.TURN)
        return [
            _note(Arrival(ANSWERED_OPENINGS), owed, TRUE),
            _note(Arrival(frozenset({EventKind("hangup")})), owed, FALSE),
            *(_note(moment, owed, FALSE) for moment in self._leaving(ANSWERS)),
            Watch(Closing(), TRUE, _read(owed)),
        ]

    def human_wanted(self) -> list[Watch]:
        """Whoever wants a person, as the policy says, is transferred in that turn; none where it does not say."""
        policy = self._names.policy
        if policy is None or policy.human_wanted is None:
            return []
        wanted = condition(policy.human_wanted, Scope(self._names, self._findings))
        transfer = [
            _Observed(moment, TRUE, Parameters(()), "escalate") for moment in self._leaving((ActKind.ESCALATE,))
        ]
        return self._due_in_turn([wanted], [], transfer)

    # --- forms

    def _only_after(self, what: s.Happenings, first: s.Happenings, new: bool, since: s.Happenings) -> list[Watch]:
        """B is broken unless an A was seen, and no C since. B before A: what comes at the same moment is not before."""
        seen = self._ghost("seen")
        spent = ((seen, FALSE),) if new else ()
        return [
            *(Watch(o.moment, o.when, Not(_read(seen)), spent) for o in self._observed(what)),
            *(_note(o.moment, seen, FALSE, o.when) for o in self._observed(since)),
            *(_note(o.moment, seen, TRUE, o.when) for o in self._observed(first)),
        ]

    def _only_after_all(self, what: s.Happenings, names: tuple[s.Name, ...], since: s.Happenings) -> list[Watch]:
        seen: dict[str, Variable] = {}
        for name in names:
            _, known = acts_of(s.ActRef("disclose", name, (), name.span), self._names, self._findings)
            for one in known:
                seen[one] = self._ghost(f"seen {one}")
        missing = Not(And(tuple(_read(ghost) for ghost in seen.values())))
        forget = tuple((ghost, FALSE) for ghost in seen.values())
        return [
            *(Watch(o.moment, o.when, missing) for o in self._observed(what)),
            *(Watch(o.moment, o.when, FALSE, forget) for o in self._observed(since)),
            *(_note(Leaving(ActKind.DISCLOSE, frozenset({one})), ghost, TRUE) for one, ghost in seen.items()),
        ]

    def _only_if(self, what: s.Happenings, cond: s.Expr) -> list[Watch]:
        return [Watch(o.moment, o.when, Not(self._condition(cond, o))) for o in self._observed(what)]

    def _exactly_if(self, what: s.Happenings, cond: s.Expr) -> list[Watch]:
        """Also broken by a step in which the condition becomes true and B does not leave."""
        holds = condition(cond, Scope(self._names, self._findings))
        held, due = self._ghost("held", initial=self._holds_at_start(holds)), self._ghost("due", Lifetime.STEP)
        done = self._ghost("done", Lifetime.STEP)  # an event or a change comes before the condition is looked at
        became = And((holds, Not(_read(held))))
        return [
            *self._only_if(what, cond),
            Watch(Settled(), TRUE, FALSE, ((due, became), (held, holds))),
            *(_note(o.moment, done, TRUE, o.when) for o in self._observed(what)),
            Watch(Finished(), _read(due), Not(_read(done))),
        ]

    def _at_most(self, what: s.Happenings, times: s.Number | None, since: s.Happenings, per_turn: bool) -> list[Watch]:
        limit = 1
        if times is not None:
            limit = int(times.text) if times.text.isdigit() else 0
            if not 1 <= limit <= 1000:
                self._findings.error(Code.RANGE, "this counts from 1 to 1000 times", times.span, "or write `never`")
                return []
        type_ = IntType(0, limit)
        count = self._ghost("count", Lifetime.TURN if per_turn else Lifetime.CONVERSATION, type_, 0)
        read, full = Read(count, type_), p.Const(limit, type_)
        spent = p.Compare(p.Comparison.GE, read, full)
        more = p.Arithmetic(p.Operation.ADD, read, p.Const(1, IntType(1, 1)), type_)
        watches = []
        for o in self._observed(what):
            watches.append(Watch(o.moment, o.when, spent))
            watches.append(_note(o.moment, count, more, And((o.when, Not(spent)))))
        return [*watches, *(_note(o.moment, count, p.Const(0, type_), o.when) for o in self._observed(since))]

    def _never_with(self, what: s.Happenings, other: s.Happenings) -> list[Watch]:
        left, right = self._ghost("first", Lifetime.STEP), self._ghost("second", Lifetime.STEP)
        first, second = self._observed(what), self._observed(other)
        watches = [
            *(Watch(o.moment, o.when, _read(right)) for o in first),
            *(Watch(o.moment, o.when, _read(left)) for o in second),
            *(_note(o.moment, left, TRUE, o.when) for o in first),
            *(_note(o.moment, right, TRUE, o.when) for o in second),
        ]
        return sorted(watches, key=_changing)  # changes are one moment: what is noted of one is seen by the next

    def _never_from(self, what: s.Happenings, first: s.Happenings, last: s.Happenings) -> list[Watch]:
        inside = self._ghost("inside")
        return [
            *(Watch(o.moment, o.when, _read(inside)) for o in self._observed(what)),
            *(_note(o.moment, inside, FALSE, o.when) for o in self._observed(last)),
            *(_note(o.moment, inside, TRUE, o.when) for o in self._observed(first)),
        ]

    # --- debts

    def _in_this_turn(self, occasions: tuple[list[Expr], list[_Observed]], what: s.Happenings) -> list[Watch]:
        return self._due_in_turn(*occasions, self._observed(what))

    def _due_in_turn(self, conditions: list[Expr], happenings: list[_Observed], pays: list[_Observed]) -> list[Watch]:
        due, paid = self._ghost("due", Lifetime.TURN), self._ghost("paid", Lifetime.STEP)
        owed = Not(_read(paid))
        return [
            _note(Arrival(frozenset({EventKind("hangup")})), due, FALSE),  # excuses what was due, not what it brings
            *self._standing(conditions, due, owed, Lifetime.TURN),
            *(_note(o.moment, due, owed, o.when) for o in happenings),
            *(Watch(o.moment, o.when, FALSE, ((due, FALSE), (paid, TRUE))) for o in pays),
            Watch(Closing(), TRUE, _read(due)),
        ]

    def _before_end(self, occasions: tuple[list[Expr], list[_Observed]], what: s.Happenings) -> list[Watch]:
        """Judged when the policy ends the conversation; hang-up and a transfer hand the debt over."""
        conditions, happenings = occasions
        due, paid = self._ghost("due"), self._ghost("paid", Lifetime.STEP)
        owed = Not(_read(paid))
        return [
            *self._standing(conditions, due, owed, Lifetime.CONVERSATION),
            *(_note(o.moment, due, owed, o.when) for o in happenings),
            *(Watch(o.moment, o.when, FALSE, ((due, FALSE), (paid, TRUE))) for o in self._observed(what)),
            Watch(Leaving(ActKind.END, frozenset({""})), TRUE, _read(due)),
        ]

    def _next(self, occasions: tuple[list[Expr], list[_Observed]], what: s.Happenings) -> list[Watch]:
        """The first speech or transfer from the step of X on is an A."""
        conditions, happenings = occasions
        pays = self._observed(what)
        for o in pays:
            if not isinstance(o.moment, Leaving) or o.moment.kind not in SPEECH:
                message = "`next` is about what is said or where the conversation goes"
                self._findings.error(Code.REQUIREMENT, message, what[0].span, "use `in this turn`")
                return []
        due, hit = self._ghost("due"), self._ghost("hit", Lifetime.STEP)
        spoke, right = self._ghost("spoke", Lifetime.STEP), self._ghost("right", Lifetime.STEP)
        speech = list(self._leaving(SPEECH))
        occurs = [(o.moment, o.when) for o in happenings]
        missed = Not(_read(right))  # the first speech of the step was no A; still due after a safe stop
        return [
            _note(Arrival(frozenset({EventKind("hangup")})), due, FALSE),
            *self._standing(conditions, due, TRUE, Lifetime.TURN),
            *(_note(o.moment, hit, TRUE, o.when) for o in pays),
            *(Watch(m, TRUE, And((_read(due), Not(_read(hit))))) for m in speech),
            *(Watch(m, Not(_read(spoke)), FALSE, ((right, _read(hit)), (spoke, TRUE))) for m in speech),
            *(_note(m, due, FALSE, _read(hit)) for m in speech),
            *(_note(m, hit, FALSE) for m in speech),
            *(Watch(m, And((when, _read(spoke))), missed) for m, when in occurs),
            *(_note(m, due, TRUE, And((when, Or((Not(_read(spoke)), missed))))) for m, when in occurs),
        ]

    def _standing(self, conditions: list[Expr], due: Variable, owed: Expr, once_per: Lifetime) -> list[Watch]:
        """A condition falls due where it becomes true, and in a turn that must be answered where it still holds."""
        watches = []
        for i, holds in enumerate(conditions):
            raised = self._ghost(f"raised {i}", once_per)
            held = self._ghost(f"held {i}")
            fresh = Or((Read(MUST_ANSWER, BOOL), Not(_read(held))))
            falls = And((holds, Not(_read(raised)), fresh))
            watches.append(Watch(Settled(), falls, FALSE, ((due, owed), (raised, TRUE))))
            watches.append(_note(Settled(), held, holds))
        return watches

    # --- what is observed

    def _observed(self, happenings: s.Happenings) -> list[_Observed]:
        """Observations of what is meant. INVARIANT: none is of what another is of, so nothing is counted twice."""
        found = [o for happening in happenings for o in self._happening(happening)]
        single: dict[Moment, list[_Observed]] = {}
        for o in found:
            for moment in _singly(o.moment):
                single.setdefault(moment, []).append(o)
        if all(len(alike) == 1 for alike in single.values()):
            return found
        return [
            _Observed(moment, Or(tuple(o.when for o in alike)), alike[0].its, alike[0].of)
            for moment, alike in single.items()
        ]

    def _happening(self, happening: s.Happening) -> list[_Observed]:
        found: list[tuple[Moment, Parameters, str]] = []
        match happening.of:
            case s.EventRef() as ref:
                kinds = kinds_of(ref, self._names, self._world.events, self._findings)
                for its, alike in _alike(kinds, lambda kind: Parameters(self._world.events[kind].fields)):
                    found.append((Arrival(frozenset(alike)), its, alike[0]))
            case s.ActRef() as ref:
                act, names = acts_of(ref, self._names, self._findings)
                for its, same in _alike(names, lambda name: self._arguments(act, name)):
                    found.append((Leaving(act, frozenset(same)), its, f"{act} {same[0]}".strip()))
            case s.ChangeOf(fact):
                known = variable_of(self._names, fact.text, self._findings, fact.span)
                if known is not None:
                    found.append((Changed(known[0]), Parameters(()), f"change of {fact.text}"))
        return [_Observed(moment, self._narrowed(happening.when, its, of), its, of) for moment, its, of in found]

    def _arguments(self, kind: ActKind, name: str) -> Parameters:
        match kind:
            case ActKind.CALL:
                return self._names.tools[name][1]
            case ActKind.SAY | ActKind.DISCLOSE:
                return self._names.speech[kind, name][1]
            case _:
                return Parameters(())

    def _narrowed(self, when: s.Expr | None, its: Parameters, of: str) -> Expr:
        return TRUE if when is None else condition(when, Scope(self._names, self._findings, its, of))

    def _condition(self, cond: s.Expr, o: _Observed) -> Expr:
        """A condition judged when this is observed; what narrows the happening is known there."""
        return condition(cond, Scope(self._names, self._findings, o.its, o.of).knowing(o.when))

    def _occasions(self, trigger: tuple[s.Happening | s.Expr, ...]) -> tuple[list[Expr], list[_Observed]]:
        """The conditions and the happenings among the parts of `whenever A or B`."""
        conditions: list[Expr] = []
        happenings: list[s.Happening] = []
        for part in trigger:
            if isinstance(part, s.Happening):
                happenings.append(part)
            elif isinstance(part, s.Ref) and self._is_event(part.name):
                name = s.Name(part.name, part.span)
                happenings.append(s.Happening(s.EventRef("", name, part.span), None, part.span))
            else:
                conditions.append(condition(part, Scope(self._names, self._findings)))
        if conditions:
            conditions = [Or(tuple(conditions)) if len(conditions) > 1 else conditions[0]]
        return conditions, self._observed(tuple(happenings))

    def _is_event(self, name: str) -> bool:
        return EventKind(name) in self._world.events or name in self._names.groups

    def _holds_at_start(self, holds: Expr) -> bool:
        """Whether a condition holds before the conversation begins."""
        return self._findings.failed is False and constant(holds, self._initial) is True

    def _leaving(self, kinds: Iterable[ActKind]) -> list[Leaving]:
        found = [(kind, frozenset(names_of_kind(kind, self._names))) for kind in kinds]
        return [Leaving(kind, names) for kind, names in found if names]

    def _ghost(
        self, what: str, lifetime: Lifetime = Lifetime.CONVERSATION, type_: Type = BOOL, initial: bool | int = False
    ) -> Variable:
        variable = Variable(f"{self._name}: {what}")
        self._ghosts[variable] = VariableInfo(variable, type_, initial, lifetime, Role.GHOST)
        return variable


def _alike(items: Iterable[_T], parameters: Callable[[_T], Parameters]) -> list[tuple[Parameters, list[_T]]]:
    """Items with the same fields together, so that one watch serves them all."""
    groups: dict[Parameters, list[_T]] = {}
    for item in items:
        groups.setdefault(parameters(item), []).append(item)
    return list(groups.items())


def _singly(moment: Moment) -> list[Moment]:
    """The moments of one kind of event or one name of act that a moment stands for, in order."""
    match moment:
        case Arrival(kinds):
            return [Arrival(frozenset({kind})) for kind in sorted(kinds)]
        case Leaving(kind, names):
            return [Leaving(kind, frozenset({name})) for name in sorted(names)]
        case _:
            return [moment]


def _changing(watch: Watch) -> str:
    """The fact whose change is watched."""
    return watch.moment.variable if isinstance(watch.moment, Changed) else ""


def _read(variable: Variable) -> Read:
    return Read(variable, BOOL)


def _note(moment: Moment, ghost: Variable, value: Expr, when: Expr = TRUE) -> Watch:
    return Watch(moment, when, FALSE, ((ghost, value),))
