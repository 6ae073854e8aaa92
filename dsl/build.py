"""From Lark's tree of one clause to the syntax tree. It decides nothing: each alternative is a method."""

from typing import Any, cast

from lark import Token, Transformer, Tree, v_args
from lark.tree import Meta

from charter.dsl import syntax as s
from charter.dsl.source import Span
from charter.dsl.tokens import unquoted


def build_clause(tree: "Tree[Token]", path: str) -> s.Clause:
    """The clause that a tree stands for; spans carry `path`."""
    return cast(s.Clause, _Build(path).transform(tree))


def _present(nodes: Any) -> tuple[Any, ...]:
    """The nodes, without what is optional and not written."""
    return tuple(node for node in nodes if node is not None)


def _one(kind: type, nodes: Any) -> Any:
    """The last node of a kind, or None."""
    return next((node for node in reversed(nodes) if isinstance(node, kind)), None)


@v_args(meta=True, inline=True)
class _Build(Transformer[Token, Any]):
    """One method for each alternative of the grammar, named as there. Children come as syntax nodes already."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def _span(self, meta: Meta) -> Span:
        if meta.empty:
            return Span(self._path, 1, 1, 1, 1)
        return Span(self._path, meta.line, meta.column, meta.end_line, meta.end_column)

    def NAME(self, token: Token) -> s.Name:
        return s.Name(str(token), self._at(token))

    def STRING(self, token: Token) -> s.String:
        return s.String(unquoted(token), self._at(token))

    def _at(self, token: Token) -> Span:
        line, column = token.line or 1, token.column or 1
        return Span(self._path, line, column, token.end_line or line, token.end_column or column)

    def names(self, _: Meta, *names: s.Name) -> tuple[s.Name, ...]:
        return names

    # --- declarations

    def policy(self, meta: Meta, name: s.Name, *header: tuple[str, Any]) -> s.Policy:
        lines = dict(header)
        return s.Policy(
            name, lines.get("languages", ()), lines.get("fallback"), lines.get("human_wanted"), self._span(meta)
        )

    def languages(self, _: Meta, names: tuple[s.Name, ...]) -> tuple[str, Any]:
        return "languages", names

    def fallback(self, _: Meta, name: s.Name) -> tuple[str, Any]:
        return "fallback", name

    def human_wanted(self, _: Meta, when: s.Expr) -> tuple[str, Any]:
        return "human_wanted", when

    def import_(self, meta: Meta, path: s.String) -> s.Import:
        return s.Import(path, self._span(meta))

    def enum(self, meta: Meta, name: s.Name, *values: s.EnumValue | None) -> s.Enum:
        return s.Enum(name, _present(values), self._span(meta))

    def enum_value(self, _: Meta, name: s.Name, spelled: s.String | None) -> s.EnumValue:
        return s.EnumValue(name, spelled)

    def record(self, meta: Meta, name: s.Name, fields: tuple[s.Field, ...]) -> s.Record:
        return s.Record(name, fields, self._span(meta))

    def fields(self, _: Meta, *fields: s.Field | None) -> tuple[s.Field, ...]:
        return _present(fields)

    def field(self, _: Meta, name: s.Name, type_: s.TypeSyntax, default: s.Expr | None) -> s.Field:
        return s.Field(name, type_, default)

    def params(self, _: Meta, *params: s.Field | None) -> tuple[s.Field, ...]:
        return _present(params)

    def param(self, _: Meta, name: s.Name, type_: s.TypeSyntax) -> s.Field:
        return s.Field(name, type_)

    def optional(self, meta: Meta, of: s.TypeSyntax) -> s.OptionalOf:
        return s.OptionalOf(of, self._span(meta))

    def named_type(self, meta: Meta, name: s.Name) -> s.NamedType:
        return s.NamedType(name.text, self._span(meta))

    def int_type(self, meta: Meta, low: str, high: str) -> s.IntTypeOf:
        return s.IntTypeOf(low, high, self._span(meta))

    def decimal_type(self, meta: Meta, places: Token, low: str, high: str) -> s.DecimalTypeOf:
        return s.DecimalTypeOf(str(places), low, high, self._span(meta))

    def text_type(self, meta: Meta, limit: Token) -> s.TextTypeOf:
        return s.TextTypeOf(str(limit), self._span(meta))

    def bound(self, _: Meta, sign: Token | None, number: Token) -> str:
        return ("-" if sign else "") + number

    def fact(self, meta: Meta, turn: Token | None, name: s.Name, type_: s.TypeSyntax, initial: s.Expr | None) -> s.Fact:
        return s.Fact(turn is not None, name, type_, initial, self._span(meta))

    def define(self, meta: Meta, name: s.Name, params: tuple[s.Field, ...] | None, value: s.Expr) -> s.Define:
        return s.Define(name, params, value, self._span(meta))

    def agent(self, meta: Meta, name: s.Name, fields: tuple[s.Field, ...], *options: tuple[str, Any]) -> s.Agent:
        option = dict(options)
        return s.Agent(name, fields, option.get("within"), option.get("else"), option.get("up to"), self._span(meta))

    def within(self, _: Meta, duration: s.Duration) -> tuple[str, Any]:
        return "within", duration

    def else_(self, _: Meta, name: s.Name) -> tuple[str, Any]:
        return "else", name

    def up_to(self, meta: Meta, number: Token) -> tuple[str, Any]:
        return "up to", s.Number(str(number), self._span(meta))

    def tool(
        self, meta: Meta, name: s.Name, params: tuple[s.Field, ...], returns: tuple[s.Field, ...], *options: Any
    ) -> s.Tool:
        flags = {str(option) for option in options if isinstance(option, Token)}
        option = dict(option for option in options if not isinstance(option, Token))
        return s.Tool(
            name,
            params,
            returns,
            "reads" in flags,
            "writes" in flags,
            "idempotent" in flags,
            option.get("within"),
            option.get("up to"),
            self._span(meta),
        )

    def tools(self, meta: Meta, name: s.Name, members: tuple[s.Name, ...]) -> s.Tools:
        return s.Tools(name, members, self._span(meta))

    def event(self, meta: Meta, name: s.Name, fields: tuple[s.Field, ...] | None) -> s.OutsideEvent:
        return s.OutsideEvent(name, fields or (), self._span(meta))

    def queue(self, meta: Meta, name: s.Name, within: tuple[str, s.Duration]) -> s.Queue:
        return s.Queue(name, within[1], self._span(meta))

    def disclosure(self, meta: Meta, name: s.Name, params: tuple[s.Field, ...] | None, texts: Any) -> s.Speech:
        return s.Speech("disclose", name, params or (), texts, self._span(meta))

    def prompt(self, meta: Meta, name: s.Name, params: tuple[s.Field, ...] | None, texts: Any) -> s.Speech:
        return s.Speech("say", name, params or (), texts, self._span(meta))

    def texts(self, _: Meta, *texts: tuple[s.Name, s.String]) -> tuple[tuple[s.Name, s.String], ...]:
        return texts

    def text(self, _: Meta, language: s.Name, text: s.String) -> tuple[s.Name, s.String]:
        return language, text

    def assume(self, meta: Meta, tool: s.Name, condition: s.Expr) -> s.Assume:
        return s.Assume(tool, condition, self._span(meta))

    # --- rules

    def section(self, meta: Meta, title: s.String, when: s.Expr | None, *rules: s.Rule) -> s.Section:
        return s.Section(title, when, rules, self._span(meta))

    def rule(
        self,
        meta: Meta,
        name: s.Name,
        overrides: tuple[s.Name, ...] | None,
        triggers: tuple[s.Happening, ...],
        when: s.Expr | None,
        acts: tuple[s.Act, ...],
    ) -> s.Rule:
        return s.Rule(name, overrides or (), triggers, when, acts, self._span(meta))

    def overrides(self, _: Meta, names: tuple[s.Name, ...]) -> tuple[s.Name, ...]:
        return names

    def triggers(self, _: Meta, *triggers: s.Happening) -> tuple[s.Happening, ...]:
        return triggers

    def trigger(self, meta: Meta, event: s.EventRef, when: s.Expr | None) -> s.Happening:
        return s.Happening(event, when, self._span(meta))

    def narrowing(self, _: Meta, when: s.Expr) -> s.Expr:
        return when

    def any_name(self, _: Meta, name: s.Name | Token) -> s.Name | None:
        return name if isinstance(name, s.Name) else None

    def event_named(self, meta: Meta, name: s.Name) -> s.EventRef:
        return s.EventRef("", name, self._span(meta))

    def event_fails(self, meta: Meta, name: s.Name) -> s.EventRef:
        return s.EventRef("fails", name, self._span(meta))

    def event_uncertain(self, meta: Meta, name: s.Name) -> s.EventRef:
        return s.EventRef("uncertain", name, self._span(meta))

    def event_collected(self, meta: Meta, name: s.Name) -> s.EventRef:
        return s.EventRef("collected", name, self._span(meta))

    def event_collect_fails(self, meta: Meta, name: s.Name) -> s.EventRef:
        return s.EventRef("collect fails", name, self._span(meta))

    def event_escalated(self, meta: Meta, name: s.Name | None) -> s.EventRef:
        return s.EventRef("escalated", name, self._span(meta))

    def event_escalate_fails(self, meta: Meta, name: s.Name | None) -> s.EventRef:
        return s.EventRef("escalate fails", name, self._span(meta))

    def event_heard(self, meta: Meta, name: s.Name | None) -> s.EventRef:
        return s.EventRef("heard", name, self._span(meta))

    def event_cut(self, meta: Meta, name: s.Name | None) -> s.EventRef:
        return s.EventRef("cut", name, self._span(meta))

    def event_timer(self, meta: Meta, name: s.Name) -> s.EventRef:
        return s.EventRef("timer", name, self._span(meta))

    def acts(self, _: Meta, *acts: s.Act) -> tuple[s.Act, ...]:
        return acts

    def set_(self, meta: Meta, fact: s.Name, value: s.Expr) -> s.SetFact:
        return s.SetFact(fact, value, self._span(meta))

    def forget(self, meta: Meta, fact: s.Name) -> s.Forget:
        return s.Forget(fact, self._span(meta))

    def note(self, meta: Meta, text: s.String) -> s.Note:
        return s.Note(text, self._span(meta))

    def ask(self, meta: Meta, agents: tuple[s.Name, ...]) -> s.Ask:
        return s.Ask(agents, self._span(meta))

    def call(self, meta: Meta, tool: s.Name, arguments: tuple[s.Argument, ...]) -> s.Call:
        return s.Call(tool, arguments, self._span(meta))

    def disclose(self, meta: Meta, name: s.Name, arguments: tuple[s.Argument, ...] | None) -> s.Speak:
        return s.Speak("disclose", name, arguments, self._span(meta))

    def say(self, meta: Meta, name: s.Name, arguments: tuple[s.Argument, ...] | None) -> s.Speak:
        return s.Speak("say", name, arguments, self._span(meta))

    def collect(self, meta: Meta, fact: s.Name) -> s.Collect:
        return s.Collect(fact, self._span(meta))

    def start_timer(self, meta: Meta, name: s.Name, duration: s.Expr) -> s.StartTimer:
        return s.StartTimer(name, duration, self._span(meta))

    def escalate(self, meta: Meta, queue: s.Name, because: s.String | None) -> s.Escalate:
        return s.Escalate(queue, because, self._span(meta))

    def end(self, meta: Meta, because: s.String | None) -> s.End:
        return s.End(because, self._span(meta))

    # --- requirements

    def require(
        self,
        meta: Meta,
        name: s.Name,
        text: s.String | None,
        cites: s.String | None,
        replaces: tuple[s.Name, s.String] | None,
        form: s.Form,
    ) -> s.Require:
        built_in, because = replaces or (None, None)
        return s.Require(name, text, cites, built_in, because, form, self._span(meta))

    def cites(self, _: Meta, text: s.String) -> s.String:
        return text

    def replaces(self, _: Meta, name: s.Name, because: s.String) -> tuple[s.Name, s.String]:
        return name, because

    def before(self, _: Meta, first: s.Happenings, then: s.Happenings) -> s.Before:
        return s.Before(first, then)

    def only_after(
        self, _: Meta, what: s.Happenings, new: Token | None, first: s.Happenings, since: s.Happenings | None
    ) -> s.OnlyAfter:
        return s.OnlyAfter(what, first, new is not None, since or ())

    def only_after_all(
        self, _: Meta, what: s.Happenings, names: tuple[s.Name, ...], since: s.Happenings | None
    ) -> s.OnlyAfterAll:
        return s.OnlyAfterAll(what, names, since or ())

    def only_if(self, _: Meta, what: s.Happenings, condition: s.Expr) -> s.OnlyIf:
        return s.OnlyIf(what, condition, False)

    def if_and_only_if(self, _: Meta, what: s.Happenings, condition: s.Expr) -> s.OnlyIf:
        return s.OnlyIf(what, condition, True)

    def only_between(self, _: Meta, what: s.Happenings, first: s.Happenings, last: s.Happenings) -> s.OnlyBetween:
        return s.OnlyBetween(what, first, last)

    def at_most(
        self, _: Meta, what: s.Happenings, times: Token, since: s.Happenings | None, per_turn: bool | None
    ) -> s.AtMost:
        return s.AtMost(what, s.Number(str(times), self._at(times)), since or (), bool(per_turn))

    def once(self, _: Meta, what: s.Happenings, per_turn: bool | None) -> s.AtMost:
        return s.AtMost(what, None, (), bool(per_turn))

    def per_turn(self, _: Meta) -> bool:
        return True

    def never(self, _: Meta, what: s.Happenings, condition: s.Expr | None) -> s.Never:
        return s.Never(what, condition)

    def never_with(self, _: Meta, what: s.Happenings, other: s.Happenings) -> s.NeverWith:
        return s.NeverWith(what, other)

    def never_from(self, _: Meta, what: s.Happenings, first: s.Happenings, last: s.Happenings) -> s.NeverFrom:
        return s.NeverFrom(what, first, last)

    def whenever(
        self, _: Meta, occasion: tuple[s.Happening | s.Expr, ...], what: s.Happenings, deadline: str
    ) -> s.Whenever:
        return s.Whenever(occasion, what, deadline)

    def occasion(self, _: Meta, *items: s.Happening | s.Expr) -> tuple[s.Happening | s.Expr, ...]:
        return items

    def since(self, _: Meta, happenings: s.Happenings) -> s.Happenings:
        return happenings

    def in_this_turn(self, _: Meta) -> str:
        return "in this turn"

    def next_(self, _: Meta) -> str:
        return "next"

    def before_end(self, _: Meta) -> str:
        return "before end"

    def happenings(self, _: Meta, *happenings: s.Happening) -> s.Happenings:
        return happenings

    def named_happening(self, meta: Meta, name: s.Name, when: s.Expr | None) -> s.Happening:
        return s.Happening(s.EventRef("", name, name.span), when, self._span(meta))

    def marked_happening(self, meta: Meta, of: s.EventRef | s.ActRef | s.ChangeOf, when: s.Expr | None) -> s.Happening:
        return s.Happening(of, when, self._span(meta))

    def change(self, meta: Meta, fact: s.Name) -> s.ChangeOf:
        return s.ChangeOf(fact, self._span(meta))

    def act_pattern(self, meta: Meta, kind: Token, target: tuple[s.Name | None, tuple[s.Name, ...]]) -> s.ActRef:
        return s.ActRef(str(kind), *target, self._span(meta))

    def target(self, _: Meta, name: s.Name) -> tuple[s.Name | None, tuple[s.Name, ...]]:
        return name, ()

    def any_target(self, _: Meta, *excepted: Any) -> tuple[s.Name | None, tuple[s.Name, ...]]:
        return None, _one(tuple, excepted) or ()

    def condition(self, _: Meta, expr: s.Expr) -> s.Expr:
        return expr

    # --- tests

    def test(self, meta: Meta, title: s.String, *steps: s.TestStep) -> s.Test:
        return s.Test(title, steps, self._span(meta))

    def given(self, meta: Meta, fact: s.Name, value: s.Expr) -> s.Given:
        return s.Given(fact, value, self._span(meta))

    def test_event(
        self, meta: Meta, event: s.EventRef, text: s.String | None, arguments: tuple[s.Argument, ...] | None
    ) -> s.TestEvent:
        return s.TestEvent(event, text, arguments or (), self._span(meta))

    def wait(self, meta: Meta, duration: s.Duration) -> s.Wait:
        return s.Wait(duration, self._span(meta))

    def expected_act(
        self, _: Meta, act: s.ActRef, arguments: tuple[s.Argument, ...] | None
    ) -> tuple[s.ActRef, tuple[s.Argument, ...]]:
        return act, arguments or ()

    def expect(self, meta: Meta, act: tuple[s.ActRef, tuple[s.Argument, ...]]) -> s.ExpectAct:
        return s.ExpectAct(False, *act, self._span(meta))

    def expect_no(self, meta: Meta, act: tuple[s.ActRef, tuple[s.Argument, ...]]) -> s.ExpectAct:
        return s.ExpectAct(True, *act, self._span(meta))

    def expect_that(self, meta: Meta, condition: s.Expr) -> s.ExpectThat:
        return s.ExpectThat(condition, self._span(meta))

    def expect_broken(self, meta: Meta, requirement: s.Name) -> s.ExpectBroken:
        return s.ExpectBroken(requirement, self._span(meta))

    def attempt(self, meta: Meta, act: s.Act) -> s.Attempt:
        return s.Attempt(act, self._span(meta))

    # --- expressions

    def or_expr(self, meta: Meta, *parts: s.Expr) -> s.Expr:
        return s.Junction("or", parts, self._span(meta))

    def and_expr(self, meta: Meta, *parts: s.Expr) -> s.Expr:
        return s.Junction("and", parts, self._span(meta))

    def not_(self, meta: Meta, of: s.Expr) -> s.Expr:
        return s.Not(of, self._span(meta))

    def compare(self, meta: Meta, left: s.Expr, op: Token, right: s.Expr) -> s.Expr:
        return s.Comparison(op, False, left, right, self._span(meta))

    def compare_op(self, _: Meta, op: Token) -> str:
        return str(op)

    def known_compare(self, meta: Meta, left: s.Expr, op: Token, right: s.Expr) -> s.Expr:
        return s.Comparison(op.removeprefix("known"), True, left, right, self._span(meta))

    def in_set(self, meta: Meta, of: s.Expr, *items: s.Expr) -> s.Expr:
        return s.InSet(of, items, self._span(meta))

    def is_known(self, meta: Meta, of: s.Expr) -> s.Expr:
        return s.IsKnown(of, True, self._span(meta))

    def is_unknown(self, meta: Meta, of: s.Expr) -> s.Expr:
        return s.IsKnown(of, False, self._span(meta))

    def arithmetic(self, meta: Meta, left: s.Expr, op: str, right: s.Expr) -> s.Expr:
        return s.Arithmetic(op, left, right, self._span(meta))

    def sum_op(self, _: Meta, op: Token) -> str:
        return str(op)

    def product_op(self, _: Meta, op: Token) -> str:
        return str(op)

    def negative(self, meta: Meta, _minus: Token, of: s.Expr) -> s.Expr:
        return s.Negative(of, self._span(meta))

    def dot(self, meta: Meta, of: s.Expr, field: s.Name) -> s.Expr:
        return s.Dot(of, field, self._span(meta))

    def number(self, meta: Meta, token: Token) -> s.Expr:
        return s.Number(str(token), self._span(meta))

    def duration(self, meta: Meta, number: Token, unit: Token) -> s.Duration:
        return s.Duration(str(number), str(unit), self._span(meta))

    def string(self, _: Meta, text: s.String) -> s.Expr:
        return text

    def time(self, meta: Meta, token: Token) -> s.Expr:
        return s.Time(str(token), self._span(meta))

    def true(self, meta: Meta) -> s.Expr:
        return s.Boolean(True, self._span(meta))

    def false(self, meta: Meta) -> s.Expr:
        return s.Boolean(False, self._span(meta))

    def unknown(self, meta: Meta) -> s.Expr:
        return s.Unknown(self._span(meta))

    def name(self, meta: Meta, name: s.Name) -> s.Expr:
        return s.Ref(name.text, self._span(meta))

    def apply(self, meta: Meta, name: s.Name, arguments: tuple[s.Argument, ...]) -> s.Expr:
        return s.Apply(name, arguments, self._span(meta))

    def its(self, meta: Meta, field: s.Name) -> s.Expr:
        return s.Its(field, self._span(meta))

    def was(self, meta: Meta, fact: s.Name) -> s.Expr:
        return s.Was(fact, self._span(meta))

    def arguments(self, _: Meta, *arguments: s.Argument | None) -> tuple[s.Argument, ...]:
        return _present(arguments)

    def argument(self, meta: Meta, label: s.Name | None, value: s.Expr) -> s.Argument:
        return s.Argument(label, value, self._span(meta))

    def label(self, _: Meta, name: s.Name) -> s.Name:
        return name
