"""From the alternatives of the grammar to the syntax tree. It decides nothing: each alternative is a method."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from charter.dsl.diagnostics import Code, Diagnostic
from charter.dsl.source import Span
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.tokens import Word

Option: TypeAlias = tuple[str, Any, Span]  # an optional part of a clause: its word, its value, its place


def _present(nodes: Any) -> tuple[Any, ...]:
    """The nodes, without what is optional and not written."""
    return tuple(node for node in nodes if node is not None)


def _one(kind: type, nodes: Any) -> Any:
    """The last node of a kind, or None."""
    return next((node for node in reversed(nodes) if isinstance(node, kind)), None)


class Build:
    """One method for each alternative of the grammar, named as there: where it stands, then its children.

    A name or a text in quotes comes as its node, any other word as it was read. `mistakes` tells what a clause says
    twice.
    """

    def __init__(self) -> None:
        self.mistakes: list[Diagnostic] = []

    def leaf(self, kind: str, word: Word) -> s.Name | s.String | Word:
        """What a word of a kind is as a child."""
        match kind:
            case "NAME":
                return s.Name(word.text, word.span)
            case "STRING":
                return s.String(word.text[1:-1], word.span)
            case _:
                return word

    def names(self, _: Span, *names: s.Name) -> tuple[s.Name, ...]:
        return names

    # --- declarations

    def policy(self, at: Span, name: s.Name, *header: Option) -> s.Policy:
        line = self._options(header)
        return s.Policy(name, line.get("languages", ()), line.get("fallback queue"), line.get("human wanted"), at)

    def languages(self, at: Span, names: tuple[s.Name, ...]) -> Option:
        return "languages", names, at

    def fallback(self, at: Span, name: s.Name) -> Option:
        return "fallback queue", name, at

    def human_wanted(self, at: Span, when: s.Expr) -> Option:
        return "human wanted", when, at

    def import_(self, at: Span, path: s.String) -> s.Import:
        return s.Import(path, at)

    def enum(self, at: Span, name: s.Name, *values: s.EnumValue | None) -> s.Enum:
        return s.Enum(name, _present(values), at)

    def enum_value(self, _: Span, name: s.Name, spelled: s.String | None) -> s.EnumValue:
        return s.EnumValue(name, spelled)

    def record(self, at: Span, name: s.Name, fields: tuple[s.Field, ...]) -> s.Record:
        return s.Record(name, fields, at)

    def fields(self, _: Span, *fields: s.Field | None) -> tuple[s.Field, ...]:
        return _present(fields)

    def field(self, _: Span, name: s.Name, type_: s.TypeSyntax, default: s.Expr | None) -> s.Field:
        return s.Field(name, type_, default)

    def params(self, _: Span, *params: s.Field | None) -> tuple[s.Field, ...]:
        return _present(params)

    def param(self, _: Span, name: s.Name, type_: s.TypeSyntax) -> s.Field:
        return s.Field(name, type_)

    def optional(self, at: Span, of: s.TypeSyntax) -> s.OptionalOf:
        return s.OptionalOf(of, at)

    def named_type(self, at: Span, name: s.Name) -> s.NamedType:
        return s.NamedType(name.text, at)

    def int_type(self, at: Span, low: str, high: str) -> s.IntTypeOf:
        return s.IntTypeOf(low, high, at)

    def decimal_type(self, at: Span, places: Word, low: str, high: str) -> s.DecimalTypeOf:
        return s.DecimalTypeOf(places.text, low, high, at)

    def text_type(self, at: Span, limit: Word) -> s.TextTypeOf:
        return s.TextTypeOf(limit.text, at)

    def bound(self, _: Span, sign: Word | None, number: Word) -> str:
        return ("-" if sign else "") + number.text

    def fact(self, at: Span, turn: Word | None, name: s.Name, type_: s.TypeSyntax, initial: s.Expr | None) -> s.Fact:
        return s.Fact(turn is not None, name, type_, initial, at)

    def define(self, at: Span, name: s.Name, params: tuple[s.Field, ...] | None, value: s.Expr) -> s.Define:
        return s.Define(name, params, value, at)

    def agent(self, at: Span, name: s.Name, fields: tuple[s.Field, ...], *options: Option) -> s.Agent:
        option = self._options(options)
        return s.Agent(name, fields, option.get("within"), option.get("else"), option.get("up to"), at)

    def within(self, at: Span, duration: s.Duration) -> Option:
        return "within", duration, at

    def else_(self, at: Span, name: s.Name) -> Option:
        return "else", name, at

    def up_to(self, at: Span, number: Word) -> Option:
        return "up to", s.Number(number.text, at), at

    def tool(
        self,
        at: Span,
        name: s.Name,
        params: tuple[s.Field, ...],
        returns: tuple[s.Field, ...],
        *options: Option | Word,
    ) -> s.Tool:
        said = [(o.text, True, o.span) if isinstance(o, Word) else o for o in options]
        option = self._options(said)
        reads, writes, idempotent = (word in option for word in ("reads", "writes", "idempotent"))
        within, up_to = option.get("within"), option.get("up to")
        return s.Tool(name, params, returns, reads, writes, idempotent, within, up_to, at)

    def _options(self, options: Iterable[Option]) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for word, value, at in options:
            if word in said:
                self.mistakes.append(Diagnostic(Code.DUPLICATE, f"`{word}` stands twice in one clause", at))
            said[word] = value
        return said

    def tools(self, at: Span, name: s.Name, members: tuple[s.Name, ...]) -> s.Tools:
        return s.Tools(name, members, at)

    def event(self, at: Span, name: s.Name, fields: tuple[s.Field, ...] | None) -> s.OutsideEvent:
        return s.OutsideEvent(name, fields or (), at)

    def queue(self, at: Span, name: s.Name, within: Option, up_to: Option | None) -> s.Queue:
        return s.Queue(name, within[1], up_to[1] if up_to else None, at)

    def disclosure(self, at: Span, name: s.Name, params: tuple[s.Field, ...] | None, texts: Any) -> s.Speech:
        return s.Speech("disclose", name, params or (), texts, at)

    def prompt(self, at: Span, name: s.Name, params: tuple[s.Field, ...] | None, texts: Any) -> s.Speech:
        return s.Speech("say", name, params or (), texts, at)

    def texts(self, _: Span, *texts: tuple[s.Name, s.String]) -> tuple[tuple[s.Name, s.String], ...]:
        return texts

    def text(self, _: Span, language: s.Name, text: s.String) -> tuple[s.Name, s.String]:
        return language, text

    def assume(self, at: Span, tool: s.Name, condition: s.Expr) -> s.Assume:
        return s.Assume(tool, condition, at)

    # --- rules

    def section(self, at: Span, title: s.String, when: s.Expr | None, *rules: s.Rule) -> s.Section:
        return s.Section(title, when, rules, at)

    def rule(
        self,
        at: Span,
        name: s.Name,
        overrides: tuple[s.Name, ...] | None,
        triggers: tuple[s.Happening, ...],
        when: s.Expr | None,
        acts: tuple[s.Act, ...],
    ) -> s.Rule:
        return s.Rule(name, overrides or (), triggers, when, acts, at)

    def overrides(self, _: Span, names: tuple[s.Name, ...]) -> tuple[s.Name, ...]:
        return names

    def triggers(self, _: Span, *triggers: s.Happening) -> tuple[s.Happening, ...]:
        return triggers

    def trigger(self, at: Span, event: s.EventRef, when: s.Expr | None) -> s.Happening:
        return s.Happening(event, when, at)

    def narrowing(self, _: Span, when: s.Expr) -> s.Expr:
        return when

    def any_name(self, _: Span, name: s.Name | Word) -> s.Name | None:
        return name if isinstance(name, s.Name) else None

    def event_named(self, at: Span, name: s.Name) -> s.EventRef:
        return s.EventRef("", name, at)

    def event_fails(self, at: Span, name: s.Name) -> s.EventRef:
        return s.EventRef("fails", name, at)

    def event_uncertain(self, at: Span, name: s.Name) -> s.EventRef:
        return s.EventRef("uncertain", name, at)

    def event_collected(self, at: Span, name: s.Name) -> s.EventRef:
        return s.EventRef("collected", name, at)

    def event_collect_fails(self, at: Span, name: s.Name) -> s.EventRef:
        return s.EventRef("collect fails", name, at)

    def event_escalated(self, at: Span, name: s.Name | None) -> s.EventRef:
        return s.EventRef("escalated", name, at)

    def event_escalate_fails(self, at: Span, name: s.Name | None) -> s.EventRef:
        return s.EventRef("escalate fails", name, at)

    def event_heard(self, at: Span, name: s.Name | None) -> s.EventRef:
        return s.EventRef("heard", name, at)

    def event_cut(self, at: Span, name: s.Name | None) -> s.EventRef:
        return s.EventRef("cut", name, at)

    def event_timer(self, at: Span, name: s.Name) -> s.EventRef:
        return s.EventRef("timer", name, at)

    def acts(self, _: Span, *acts: s.Act) -> tuple[s.Act, ...]:
        return acts

    def set_(self, at: Span, fact: s.Name, value: s.Expr) -> s.SetFact:
        return s.SetFact(fact, value, at)

    def forget(self, at: Span, fact: s.Name) -> s.Forget:
        return s.Forget(fact, at)

    def note(self, at: Span, text: s.String) -> s.Note:
        return s.Note(text, at)

    def ask(self, at: Span, agents: tuple[s.Name, ...]) -> s.Ask:
        return s.Ask(agents, at)

    def call(self, at: Span, tool: s.Name, arguments: tuple[s.Argument, ...]) -> s.Call:
        return s.Call(tool, arguments, at)

    def disclose(self, at: Span, name: s.Name, arguments: tuple[s.Argument, ...] | None) -> s.Speak:
        return s.Speak("disclose", name, arguments, at)

    def say(self, at: Span, name: s.Name, arguments: tuple[s.Argument, ...] | None) -> s.Speak:
        return s.Speak("say", name, arguments, at)

    def collect(self, at: Span, fact: s.Name) -> s.Collect:
        return s.Collect(fact, at)

    def start_timer(self, at: Span, name: s.Name, duration: s.Expr) -> s.StartTimer:
        return s.StartTimer(name, duration, at)

    def escalate(self, at: Span, queue: s.Name, because: s.String | None) -> s.Escalate:
        return s.Escalate(queue, because, at)

    def end(self, at: Span, because: s.String | None) -> s.End:
        return s.End(because, at)

    # --- requirements

    def require(
        self,
        at: Span,
        name: s.Name,
        text: s.String | None,
        cites: s.String | None,
        replaces: tuple[s.Name, s.String] | None,
        form: s.Form,
    ) -> s.Require:
        built_in, because = replaces or (None, None)
        return s.Require(name, text, cites, built_in, because, form, at)

    def cites(self, _: Span, text: s.String) -> s.String:
        return text

    def replaces(self, _: Span, name: s.Name, because: s.String) -> tuple[s.Name, s.String]:
        return name, because

    def before(self, _: Span, first: s.Happenings, then: s.Happenings) -> s.Before:
        return s.Before(first, then)

    def only_after(
        self, _: Span, what: s.Happenings, new: Word | None, first: s.Happenings, since: s.Happenings | None
    ) -> s.OnlyAfter:
        return s.OnlyAfter(what, first, new is not None, since or ())

    def only_after_all(
        self, _: Span, what: s.Happenings, names: tuple[s.Name, ...], since: s.Happenings | None
    ) -> s.OnlyAfterAll:
        return s.OnlyAfterAll(what, names, since or ())

    def only_if(self, _: Span, what: s.Happenings, condition: s.Expr) -> s.OnlyIf:
        return s.OnlyIf(what, condition, False)

    def if_and_only_if(self, _: Span, what: s.Happenings, condition: s.Expr) -> s.OnlyIf:
        return s.OnlyIf(what, condition, True)

    def only_between(self, _: Span, what: s.Happenings, first: s.Happenings, last: s.Happenings) -> s.OnlyBetween:
        return s.OnlyBetween(what, first, last)

    def at_most(
        self, _: Span, what: s.Happenings, times: Word, since: s.Happenings | None, per_turn: bool | None
    ) -> s.AtMost:
        return s.AtMost(what, s.Number(times.text, times.span), since or (), bool(per_turn))

    def once(self, _: Span, what: s.Happenings, per_turn: bool | None) -> s.AtMost:
        return s.AtMost(what, None, (), bool(per_turn))

    def per_turn(self, _: Span) -> bool:
        return True

    def never(self, _: Span, what: s.Happenings, condition: s.Expr | None) -> s.Never:
        return s.Never(what, condition)

    def never_with(self, _: Span, what: s.Happenings, other: s.Happenings) -> s.NeverWith:
        return s.NeverWith(what, other)

    def never_from(self, _: Span, what: s.Happenings, first: s.Happenings, last: s.Happenings) -> s.NeverFrom:
        return s.NeverFrom(what, first, last)

    def whenever(
        self, _: Span, occasion: tuple[s.Happening | s.Expr, ...], what: s.Happenings, deadline: str
    ) -> s.Whenever:
        return s.Whenever(occasion, what, deadline)

    def occasion(self, _: Span, *items: s.Happening | s.Expr) -> tuple[s.Happening | s.Expr, ...]:
        return items

    def since(self, _: Span, happenings: s.Happenings) -> s.Happenings:
        return happenings

    def in_this_turn(self, _: Span) -> str:
        return "in this turn"

    def next_(self, _: Span) -> str:
        return "next"

    def before_end(self, _: Span) -> str:
        return "before end"

    def happenings(self, _: Span, *happenings: s.Happening) -> s.Happenings:
        return happenings

    def named_happening(self, at: Span, name: s.Name, when: s.Expr | None) -> s.Happening:
        return s.Happening(s.EventRef("", name, name.span), when, at)

    def marked_happening(self, at: Span, of: s.EventRef | s.ActRef | s.ChangeOf, when: s.Expr | None) -> s.Happening:
        return s.Happening(of, when, at)

    def change(self, at: Span, fact: s.Name) -> s.ChangeOf:
        return s.ChangeOf(fact, at)

    def act_pattern(self, at: Span, kind: Word, target: tuple[s.Name | None, tuple[s.Name, ...]]) -> s.ActRef:
        return s.ActRef(kind.text, *target, at)

    def target(self, _: Span, name: s.Name) -> tuple[s.Name | None, tuple[s.Name, ...]]:
        return name, ()

    def any_target(self, _: Span, *excepted: Any) -> tuple[s.Name | None, tuple[s.Name, ...]]:
        return None, _one(tuple, excepted) or ()

    def condition(self, _: Span, expr: s.Expr) -> s.Expr:
        return expr

    # --- tests

    def test(self, at: Span, title: s.String, *steps: s.TestStep) -> s.Test:
        return s.Test(title, steps, at)

    def given(self, at: Span, fact: s.Name, value: s.Expr) -> s.Given:
        return s.Given(fact, value, at)

    def test_event(
        self, at: Span, event: s.EventRef, text: s.String | None, arguments: tuple[s.Argument, ...] | None
    ) -> s.TestEvent:
        return s.TestEvent(event, text, arguments or (), at)

    def wait(self, at: Span, duration: s.Duration) -> s.Wait:
        return s.Wait(duration, at)

    def expected_act(
        self, _: Span, act: s.ActRef, arguments: tuple[s.Argument, ...] | None
    ) -> tuple[s.ActRef, tuple[s.Argument, ...]]:
        return act, arguments or ()

    def expect(self, at: Span, act: tuple[s.ActRef, tuple[s.Argument, ...]]) -> s.ExpectAct:
        return s.ExpectAct(False, *act, at)

    def expect_no(self, at: Span, act: tuple[s.ActRef, tuple[s.Argument, ...]]) -> s.ExpectAct:
        return s.ExpectAct(True, *act, at)

    def expect_that(self, at: Span, condition: s.Expr) -> s.ExpectThat:
        return s.ExpectThat(condition, at)

    def expect_broken(self, at: Span, requirement: s.Name) -> s.ExpectBroken:
        return s.ExpectBroken(requirement, at)

    def attempt(self, at: Span, act: s.Act) -> s.Attempt:
        return s.Attempt(act, at)

    # --- expressions

    def or_expr(self, at: Span, *parts: s.Expr) -> s.Expr:
        return s.Junction("or", parts, at)

    def and_expr(self, at: Span, *parts: s.Expr) -> s.Expr:
        return s.Junction("and", parts, at)

    def not_(self, at: Span, of: s.Expr) -> s.Expr:
        return s.Not(of, at)

    def compare(self, at: Span, left: s.Expr, op: str, right: s.Expr) -> s.Expr:
        return s.Comparison(op, False, left, right, at)

    def compare_op(self, _: Span, op: Word) -> str:
        return op.text

    def known_compare(self, at: Span, left: s.Expr, op: Word, right: s.Expr) -> s.Expr:
        return s.Comparison(op.text.removeprefix("known"), True, left, right, at)

    def in_set(self, at: Span, of: s.Expr, *items: s.Expr) -> s.Expr:
        return s.InSet(of, items, at)

    def is_known(self, at: Span, of: s.Expr) -> s.Expr:
        return s.IsKnown(of, True, at)

    def is_unknown(self, at: Span, of: s.Expr) -> s.Expr:
        return s.IsKnown(of, False, at)

    def arithmetic(self, at: Span, left: s.Expr, op: str, right: s.Expr) -> s.Expr:
        return s.Arithmetic(op, left, right, at)

    def sum_op(self, _: Span, op: Word) -> str:
        return op.text

    def product_op(self, _: Span, op: Word) -> str:
        return op.text

    def negative(self, at: Span, _minus: Word, of: s.Expr) -> s.Expr:
        return s.Negative(of, at)

    def dot(self, at: Span, of: s.Expr, field: s.Name) -> s.Expr:
        return s.Dot(of, field, at)

    def number(self, at: Span, token: Word) -> s.Expr:
        return s.Number(token.text, at)

    def duration(self, at: Span, number: Word, unit: Word) -> s.Duration:
        return s.Duration(number.text, unit.text, at)

    def string(self, _: Span, text: s.String) -> s.Expr:
        return text

    def time(self, at: Span, token: Word) -> s.Expr:
        return s.Time(token.text, at)

    def true(self, at: Span) -> s.Expr:
        return s.Boolean(True, at)

    def false(self, at: Span) -> s.Expr:
        return s.Boolean(False, at)

    def unknown(self, at: Span) -> s.Expr:
        return s.Unknown(at)

    def name(self, at: Span, name: s.Name) -> s.Expr:
        return s.Ref(name.text, at)

    def apply(self, at: Span, name: s.Name, arguments: tuple[s.Argument, ...]) -> s.Expr:
        return s.Apply(name, arguments, at)

    def its(self, at: Span, field: s.Name) -> s.Expr:
        return s.Its(field, at)

    def was(self, at: Span, fact: s.Name) -> s.Expr:
        return s.Was(fact, at)

    def arguments(self, _: Span, *arguments: s.Argument | None) -> tuple[s.Argument, ...]:
        return _present(arguments)

    def argument(self, at: Span, label: s.Name | None, value: s.Expr) -> s.Argument:
        return s.Argument(label, value, at)

    def label(self, _: Span, name: s.Name) -> s.Name:
        return name
