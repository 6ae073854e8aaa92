"""durable-rules, as the kernel drives it, decides exactly what guards say, within its limits and without growing."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random

import durable_rules_engine
import pytest
from programs import ANY_INT, CARD, MOOD, act, const, everything, fact, large, parts, program, read, rule, same
from programs_random import random_event, random_program, random_state

import charter.engine
from charter.dsl.evaluate import Scope, evaluate
from charter.dsl.program import (
    FALSE,
    TRUE,
    ActKind,
    And,
    Clause,
    Compare,
    Comparison,
    Const,
    Event,
    EventInfo,
    EventKind,
    Expr,
    Its,
    Known,
    Not,
    Opening,
    Or,
    Part,
    Program,
    Text,
    Variable,
    VariableInfo,
)
from charter.dsl.semantics import step
from charter.dsl.types import BOOL, ID, INT64_MAX, INT64_MIN, IntType, OptionalType, Value
from charter.engine.evaluator_source import Source
from charter.engine.rule_kernel import KernelFault, RuleKernel, load, told
from charter.engine.rule_kernel_groups import (
    GATE,
    GROUP_RULES,
    MAX_LEAVES,
    MAX_TESTS,
    RULESET_RULES,
    groups_of,
    guard_leaves,
    property_name,
    rulesets,
)

ENGINE = Path(charter.engine.__file__).parent
EDGES = (INT64_MIN, INT64_MIN + 1, -(2**53) - 1, -1, 0, 1, 2**31, 2**53 + 1, INT64_MAX - 1, INT64_MAX)
GO = EventKind("go")


def imports(path: Path) -> set[str]:
    """The modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return names | {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


def fired(kernel: RuleKernel, made: Program, **facts: Value) -> set[str]:
    """What `go` fires where the facts have these values and the others their initial ones."""
    state = {**made.initial, **{Variable(name): value for name, value in facts.items()}}
    return set(kernel.step(state, Event(GO, {}, 0)).fired)


def going(clauses: Iterable[Clause], facts: Iterable[VariableInfo]) -> Program:
    """A program with these clauses, in one stratum, on `go`."""
    return program(facts, [EventInfo(GO, (), Opening.OPENS, TRUE)], {GO: [list(clauses)]})


# --- independence ----------------------------------------------------------------------------------------------------


def test_only_the_rule_kernel_imports_durable_rules() -> None:
    importers = {p.name for p in ENGINE.rglob("*.py") if any(m.startswith("durable") for m in imports(p))}
    assert importers == {"rule_kernel.py"}


def test_the_evaluator_and_the_kernel_know_of_the_language_only_its_data() -> None:
    own = [*ENGINE.glob("evaluator*.py"), *ENGINE.glob("rule_kernel*.py")]
    assert len(own) >= 5
    for path in own:
        foreign = {m for m in imports(path) if m.startswith("charter.") and not m.startswith("charter.engine.")}
        assert foreign <= {"charter.dsl.program", "charter.dsl.types", "charter.dsl.values"}, path
    loaded = "import sys, charter.engine.rule_kernel; sys.exit('charter.dsl.semantics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0


def test_nothing_else_in_the_engine_imports_both_executors() -> None:
    executors = {"charter.dsl.semantics", "charter.engine.rule_kernel"}
    assert {p.name for p in ENGINE.rglob("*.py") if executors <= imports(p)} == {"decide.py"}


def test_no_word_of_a_policy_stands_in_generated_source() -> None:
    made = everything()
    source = Source(made)
    for clause in (part for part in parts(made) if isinstance(part, Clause)):
        source.function("o, f, e, now", [f"return {source.expression(clause.guard, {})}"])
        for site in clause.acts:
            if isinstance(site.reason, Text):
                source.function("o, f, e, now", [f"return {source.expression(site.reason, {})}"])
    word = re.compile(r"[a-zA-Z_]\w*")
    ours = re.compile(r"[kxt]\d+|def|return|o|f|e|now|and|or|not|is|if|else|in|None|True|False|len|spell|without|join")
    assert source.text.count("def ") > 10
    assert [w for w in word.findall(source.text) if not ours.fullmatch(w)] == []
    assert re.search(r"[^\x20-\x7e\n]", source.text) is None
    assert set(re.findall(r'"[^"]*"', source.text)) <= {'""'}


def test_deep_expressions_compile() -> None:
    deep: Expr = read(fact("b", BOOL, False))
    for _ in range(150):
        deep = Not(Not(deep))
    made = going([rule("deep", And((deep, Or((Known(Its("now", ANY_INT)), deep)))))], [fact("b", BOOL, False)])
    kernel = RuleKernel(made)
    assert fired(kernel, made, b=True) == {"deep"}
    assert fired(kernel, made, b=False) == set()


# --- guards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", list(Comparison))
def test_whole_numbers_compare_exactly_to_the_edges_of_64_bits(op: Comparison) -> None:
    left, right = fact("left", ANY_INT, 0), fact("right", ANY_INT, 0)
    clauses = [rule("both", Compare(op, read(left), read(right)))]
    clauses += [rule(f"left {n}", Compare(op, read(left), const(n))) for n in EDGES]
    clauses += [rule(f"right {n}", Compare(op, const(n), read(right))) for n in EDGES]
    clauses += [rule(f"not {n}", Not(Compare(op, read(left), const(n)))) for n in EDGES]
    made = going(clauses, [left, right])
    kernel = RuleKernel(made)
    for a, b in product(EDGES, EDGES):
        state = {**made.initial, left.name: a, right.name: b}
        assert kernel.step(state, Event(GO, {}, 0)).fired == step(made, state, Event(GO, {}, 0)).fired


def test_an_unknown_value_fires_nothing_that_asks_for_it() -> None:
    count, mood = fact("count", OptionalType(IntType(0, 9)), None), fact("mood", OptionalType(MOOD), None)
    card = fact("card", OptionalType(CARD), None)
    zero = And((Known(read(count)), Compare(Comparison.EQ, read(count), const(0))))
    calm = And((Known(read(mood)), Compare(Comparison.NE, read(mood), read(mood))))
    number = And((Known(read(card)), Compare(Comparison.EQ, Part(read(card), 0, ID), Part(read(card), 0, ID))))
    made = going([rule("zero", zero), rule("not zero", Not(zero)), rule("calm", calm), rule("number", number)],
                 [count, mood, card])  # fmt: skip
    kernel = RuleKernel(made)
    assert fired(kernel, made) == {"not zero"}
    assert fired(kernel, made, count=0, mood="calm", card=("1", 2, None)) == {"zero", "number"}
    assert fired(kernel, made, count=1) == {"not zero"}


def test_constant_guards_always_or_never_fire() -> None:
    made = going([rule("always"), rule("never", FALSE), rule("no", const(False)), rule("yes", const(True))], [])
    assert fired(RuleKernel(made), made) == {"always", "yes"}


def test_a_guard_with_many_ways_to_hold_fires_once() -> None:
    flags = [fact(f"b{i}", BOOL, False) for i in range(12)]
    some, pairs = Or(tuple(read(f) for f in flags[:7])), Or(tuple(read(f) for f in flags))
    crossed = And((Or((read(flags[0]), read(flags[1]))),) * 5)
    all_pairs = And(tuple(Or((read(a), read(b))) for a, b in zip(flags[::2], flags[1::2], strict=True)))
    made = going([rule("some", some), rule("pairs", pairs), rule("crossed", crossed), rule("all", all_pairs)], flags)
    kernel = RuleKernel(made)
    assert len(guard_leaves(some)) == 7
    assert len(guard_leaves(pairs)) == 1
    assert 1 < len(guard_leaves(all_pairs)) <= MAX_LEAVES
    for bits in product((False, True), repeat=6):
        state = {**made.initial, **{flags[i * 2].name: bit for i, bit in enumerate(bits)}}
        assert kernel.step(state, Event(GO, {}, 0)).fired == step(made, state, Event(GO, {}, 0)).fired
    everything_holds = {**made.initial, **{flag.name: True for flag in flags}}
    assert len(kernel.step(everything_holds, Event(GO, {}, 0)).fired) == 4


def test_both_executors_find_what_one_what_two_and_what_many_rules_ask() -> None:
    flags = [fact(f"b{i}", BOOL, False) for i in range(4)]
    moods = [fact(f"m{i}", OptionalType(MOOD), None) for i in range(4)]
    counts = [fact(f"n{i}", ANY_INT, 0) for i in range(4)]
    alone = (
        read(flags[3]),
        same(read(moods[3]), Const("calm", MOOD)),
        Compare(Comparison.LT, read(counts[3]), const(3)),
    )
    asked: list[Expr] = [And(tuple(read(flag) for flag in flags[:3])), And(alone)]
    for rules, flag, mood, count in zip((1, 2, 4), flags, moods, counts, strict=False):
        conditions = [read(flag), Not(read(flag)), same(read(mood), Const("calm", MOOD)), Known(read(mood))]
        conditions += [
            Compare(Comparison.LE, read(count), Its("level", ANY_INT)),
            Compare(Comparison.NE, read(count), const(2)),
        ]
        asked += [And(tuple(conditions[j] for j in range(6) if j != i and (i + j) % 2)) for i in range(rules)]
        asked += [And((conditions[i], conditions[-1])) for i in range(rules)]
    opens = EventInfo(GO, (("level", ANY_INT),), Opening.OPENS, TRUE)
    clauses = [rule(f"r{i}", guard) for i, guard in enumerate(asked)]
    made = program([*flags, *moods, *counts], [opens], {GO: [clauses]})
    kernel, rng, fires = RuleKernel(made), Random(7), 0
    for _ in range(300):
        state = {**made.initial, **{flag.name: rng.random() < 0.5 for flag in flags}}
        state |= {mood.name: rng.choice((None, "calm", "cross")) for mood in moods}
        state |= {count.name: rng.randrange(4) for count in counts}
        event = Event(GO, {"level": rng.randrange(4)}, 0)
        scope = Scope(state, state, event.fields, 0)
        holding = tuple(f"r{i}" for i, guard in enumerate(asked) if evaluate(guard, scope))
        assert kernel.step(state, event).fired == step(made, state, event).fired == holding
        fires += len(holding)
    assert fires > 1000


def test_clauses_that_hold_in_the_same_way_share_a_rule_and_all_fire() -> None:
    first, second = fact("first", BOOL, False), fact("second", BOOL, False)
    both, turned = And((read(first), read(second))), And((read(second), read(first)))
    clauses = [rule("a", both), rule("b", read(first)), rule("c", turned), rule("d", Or((read(first), read(second))))]
    made = going(clauses, [first, second])
    ((group,),) = groups_of(made).values()
    assert sorted(each.positions for each in group) == [(0, 2), (1, 3), (3,)]
    kernel = RuleKernel(made)
    assert fired(kernel, made, first=True) == {"b", "d"}
    assert fired(kernel, made, second=True) == {"d"}
    assert fired(kernel, made, first=True, second=True) == {"a", "b", "c", "d"}


def test_a_message_tells_only_of_rules_that_can_fire_and_what_they_test() -> None:
    flag, other = fact("flag", BOOL, False), fact("other", BOOL, False)
    mood, count = fact("mood", OptionalType(MOOD), None), fact("count", ANY_INT, 0)
    few = Compare(Comparison.LE, read(count), Its("level", ANY_INT))
    clauses = [
        rule("a", And((read(flag), same(read(mood), Const("calm", MOOD)), few))),
        rule("b", And((read(flag), Not(few)))),
        rule("c", read(other)),
        rule("d"),
    ]
    opens = EventInfo(GO, (("level", ANY_INT),), Opening.OPENS, TRUE)
    made = program([flag, other, mood, count], [opens], {GO: [clauses]})
    kernel = RuleKernel(made)
    ((group,),) = (stratum.groups for stratum in kernel._strata.values())
    (can_fire,) = (stratum.can_fire for stratum in kernel._strata.values())

    def numbers(**facts: Value) -> list[int]:
        state = {**made.initial, **{Variable(name): value for name, value in facts.items()}}
        scope = state, state, {"level": 7}, 0, set[str]()
        message, left = told(group, can_fire(*scope), *scope)
        assert left == 0
        return [value for name, value in json.loads(message).items() if name.startswith("p")]

    assert numbers(count=5) == numbers(mood="calm", count=5) == [1]
    assert numbers(flag=True, mood="cross", count=5) == [1]
    assert numbers(flag=True, mood="calm", count=5) == [1111, 1]
    assert numbers(flag=True, count=8) == [110, 1]
    assert numbers(other=True) == [11, 1]


def test_the_library_decides_not_what_was_said_to_be_able_to_fire() -> None:
    flag, mood = fact("flag", BOOL, False), fact("mood", OptionalType(MOOD), None)
    clauses = [rule("a", read(flag)), rule("b", Not(read(flag))), rule("c", same(read(mood), Const("calm", MOOD)))]
    made = going(clauses, [flag, mood])
    kernel = RuleKernel(made)
    ((place, stratum),) = kernel._strata.items()
    kernel._strata = {place: replace(stratum, can_fire=lambda *_: 7)}
    assert fired(kernel, made) == {"b"}
    assert fired(kernel, made, flag=True, mood="calm") == {"a", "c"}


# --- limits of the library -------------------------------------------------------------------------------------------


def test_property_names_differ_where_the_library_tells_them_apart() -> None:
    def fnv(text: str) -> int:
        value = 2166136261
        for byte in text.encode():
            value = (value ^ byte) * 16777619 % 2**32
        return value

    names = ["id", "sid", "$s", "$m", GATE, *(property_name(i) for i in range(GROUP_RULES))]
    assert len({fnv(name) for name in names}) == len(names)


def test_four_thousand_rules_on_ten_kinds_and_three_hundred_facts() -> None:
    made = large(4_000)
    rng = Random(1)
    kernel = RuleKernel(made)
    fires = 0
    for i in range(20):
        state, event = random_state(rng, made), random_event(rng, made, i)
        expected = step(made, state, event)
        executed = kernel.step(state, event)
        assert executed.fired == expected.fired
        assert executed.acts == expected.acts
        fires += len(executed.fired)
    assert fires > 200


def test_groups_and_rulesets_stay_within_the_limits() -> None:
    made = large(4_000)
    grouped = [group for stratum in groups_of(made).values() for group in stratum]
    definitions, places = rulesets(grouped)
    assert max(len(group) for group in grouped) == GROUP_RULES
    assert max(text.count('"pri"') for text in definitions) <= RULESET_RULES
    assert len(places) == len(grouped)
    assert len({(place.ruleset, place.gate) for place in places}) == len(places)


def test_two_hundred_guards_hold_at_once() -> None:
    flags = [fact(f"b{i}", BOOL, True) for i in range(200)]
    clauses = [rule(f"r{i}", read(flag), acts=[act(i, ActKind.SAY, f"p{i}")]) for i, flag in enumerate(flags)]
    made = going(clauses, flags)
    executed = RuleKernel(made).step(made.initial, Event(GO, {}, 0))
    assert executed.fired == tuple(f"r{i}" for i in range(200))
    assert [a.name for a in executed.acts] == [f"p{i}" for i in range(200)]


def test_one_guard_may_read_three_hundred_facts() -> None:
    flags = [fact(f"b{i}", BOOL, True) for i in range(300)]
    made = going([rule("all", And(tuple(read(flag) for flag in flags))),
                  rule("some", Or(tuple(Not(read(flag)) for flag in flags)))], flags)  # fmt: skip
    kernel = RuleKernel(made)
    assert fired(kernel, made) == {"all"}
    assert fired(kernel, made, b299=False) == {"some"}


@pytest.mark.parametrize("conditions", [MAX_TESTS - 1, MAX_TESTS, MAX_TESTS + 1])
def test_a_long_guard_is_decided_to_its_last_condition(conditions: int) -> None:
    flags = [fact(f"b{i}", BOOL, True) for i in range(conditions)]
    long = And(tuple(read(flag) for flag in flags))
    first, second = rule("first", read(flags[-1])), replace(rule("second", long), overridden_by=("first",))
    opens = EventInfo(GO, (), Opening.OPENS, TRUE)
    made = program(flags, [opens], {GO: [[first], [second, rule("third", Not(long))]]})
    kernel = RuleKernel(made)
    executed = kernel.step(made.initial, Event(GO, {}, 0))
    assert (executed.fired, executed.overridden) == (("first",), ("second",))
    assert fired(kernel, made, **{flags[0].name: False}) == {"first", "third"}
    assert fired(kernel, made, **{flags[-1].name: False}) == {"third"}


def test_memory_stays_flat() -> None:
    made = random_program(Random(3))
    kernel, rng = RuleKernel(made), Random(4)
    moves = [(random_state(rng, made), random_event(rng, made, i)) for i in range(200)]

    def pages(steps: int) -> int:
        for i in range(steps):
            kernel.step(*moves[i % len(moves)])
        return int(Path("/proc/self/statm").read_text().split()[1])

    settled = pages(2_000)
    assert (pages(20_000) - settled) * os.sysconf("SC_PAGESIZE") < 2**20


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_message_left_behind_is_a_fault() -> None:
    made = going([rule("always")], [])
    kernel = RuleKernel(made)
    handle = next(iter(kernel._strata.values())).groups[0].handle
    durable_rules_engine.assert_fact(handle, f'{{"sid":1,"id":1,"{GATE}":1}}')
    with pytest.raises(KernelFault, match="status 2"):
        kernel.step(made.initial, Event(GO, {}, 0))


def test_a_sentinel_that_is_not_last_is_a_fault() -> None:
    flag = fact("flag", BOOL, True)
    made = going([rule("always"), rule("too", read(flag))], [flag])
    for position in range(2):
        kernel = RuleKernel(made)
        place, stratum = next(iter(kernel._strata.items()))
        (group,) = stratum.groups
        names = [*group.meaning, group.sentinel]
        sentinel = names[position]
        meaning = {name: ((0,), True) for name in names if name != sentinel}
        groups = (replace(group, meaning=meaning, sentinel=sentinel),)
        kernel._strata = {place: replace(stratum, groups=groups)}
        with pytest.raises(KernelFault, match="sentinel"):
            kernel.step(made.initial, Event(GO, {}, 0))


def test_a_policy_loads_after_a_trial_in_another_process() -> None:
    made = everything()
    assert load(made).step(made.initial, Event(EventKind("start"), {"caller": None}, 0)).fired == ("greet",)


def test_a_policy_that_does_not_load_in_time_is_refused() -> None:
    with pytest.raises(KernelFault, match=r"`made` cannot be loaded: it did not load within 0.001 s"):
        load(everything(), within=0.001)


class Ending:
    """Ends the process that it is sent to, as a crash of the library would."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (3,)


def test_a_policy_that_crashes_the_library_is_refused() -> None:
    with pytest.raises(KernelFault, match="the process that tried it ended with 3"):
        load(replace(everything(), digest=Ending()))  # type: ignore[arg-type]
