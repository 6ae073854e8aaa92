"""Why a requirement breaks, in a sentence: what the step does, and what its form says against that."""

from collections.abc import Iterable
from typing import assert_never

from charter.dsl.program import CLOSING, FINISHED, SETTLED, Program
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.phrases import expr_text, happening_text

_CLOSING, _ENDINGS = " ".join(CLOSING), (" ".join(FINISHED), " ".join(SETTLED))
_BUILT_IN = {
    "answered": "what the customer began it with was not answered",
    "human_wanted": "a person was wanted in it, and no transfer came",
}


def reason(program: Program, goal: str, form: s.Form | None, moment: str, facts: str, number: int) -> str:
    """Where a goal breaks and why.

    `form` is as the policy writes it, `moment` where the meaning of the program saw it, `facts` what it reads there.
    """
    requirement = next((r for r in program.requirements if r.name == goal), None)
    if requirement is None:
        return f"event {number} breaks `{goal}`: {moment}"
    why = _BUILT_IN.get(goal) if form is None else _against(form, moment)
    says = (f", but {why}" if why else "") + (f" ({facts})" if facts else "")
    text = "" if requirement.text == goal.replace("_", " ") else f": “{requirement.text}”"
    return f"event {number} {_does(moment)}{says}. This breaks `{goal}`{text}"


def _does(moment: str) -> str:
    if moment == _CLOSING:
        return "closes the turn"
    if moment in _ENDINGS:
        return "is over"
    what, _, name = moment.partition(" ")
    if what == "on":
        return f"is `{name}`"
    if what == "at":
        return f"changes `{moment.removeprefix('at the change of ')}`"
    return f"leads to `{moment}`"


def _against(form: s.Form, moment: str) -> str:
    """What the form says against what happens at the moment, after “but”."""
    match form:
        case s.Before(first):
            return f"no {_any(first)} came before"
        case s.OnlyAfter(_, first, new, since):
            spent = f", or it has served once already: this needs a new {_any(first)}" if new else ""
            return f"no {_any(first)} came {_since(since)}{spent}"
        case s.OnlyAfterAll(_, disclosures, since):
            listed = " and ".join(f"`disclose {name.text}`" for name in disclosures)
            return f"not all of {listed} came {_since(since)}"
        case s.OnlyIf(what, condition, _) if moment in _ENDINGS:
            return f"`{expr_text(condition)}` became true in it, and no {_any(what)} came"
        case s.OnlyIf(_, condition, _):
            return f"`{expr_text(condition)}` does not hold"
        case s.OnlyBetween(_, first, last):
            return f"no {_any(first)} came, or {_any(last)} came after it"
        case s.AtMost(_, times, since, per_turn):
            within = "in a turn" if per_turn else f"since {_any(since)}" if since else "in a conversation"
            return f"at most {'1' if times is None else times.text} may come {within}, and this is one more"
        case s.Never(_, condition):
            return "this may never come" + ("" if condition is None else f" while `{expr_text(condition)}` holds")
        case s.NeverWith(what, other):
            return f"{_any(what)} and {_any(other)} may never come together"
        case s.NeverFrom(_, first, last):
            return f"{_any(first)} came, and no {_any(last)} since"
        case s.Whenever(trigger, what, deadline):
            after = f"after {_occasion(trigger)}"
            match deadline:
                case "in this turn":
                    return f"no {_any(what)} came in it {after}"
                case "next":
                    return f"the first speech or transfer {after} must be {_any(what)}"
                case _:
                    return f"no {_any(what)} came {after}"
        case _:
            assert_never(form)


def _since(since: s.Happenings) -> str:
    return f"since {_any(since)}" if since else "before"


def _any(happenings: s.Happenings) -> str:
    return _alternatives(happening_text(each) for each in happenings)


def _occasion(trigger: tuple[s.Happening | s.Expr, ...]) -> str:
    return _alternatives(happening_text(t) if isinstance(t, s.Happening) else expr_text(t) for t in trigger)


def _alternatives(texts: Iterable[str]) -> str:
    return " or ".join(f"`{text}`" for text in texts)
