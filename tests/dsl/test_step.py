"""One step: old and final values, overrides, conflicts, leaving order, bounds, the safe stop."""

import pytest
from policies import HEADER, Conversation, program_of

from charter.dsl.acts import spelled_act, spoken
from charter.dsl.load import Rejected, load_text
from charter.dsl.program import Variable
from charter.dsl.types import TIME
from charter.dsl.values import Misfit, from_json, parse_time, to_json


def test_acts_leave_in_the_order_of_their_kinds_then_by_place() -> None:
    program = program_of("""
rule last  on start do end because "over"
rule third on start do call look(key: "k")
rule first on start do disclose notice  say bye
rule second on start do say hello""")
    assert Conversation(program).acts("start") == [
        "disclose notice",
        "say bye",
        "say hello",
        "call look(key: k)",
        "end",
    ]


def test_a_rule_reads_what_rules_on_the_same_event_write_and_was_reads_the_old_value() -> None:
    program = program_of("""
fact n: int 0..9 = 0
rule reads on start when n == 1 do say hello
rule old on start when was n == 0 do say bye
rule writes on start do set n = n + 1""")
    assert set(Conversation(program).acts("start")) == {"say hello", "say bye"}


def test_rules_that_read_each_others_writes_are_a_cycle_that_was_breaks() -> None:
    rejected = load_text(
        HEADER
        + """
fact a: bool = false
fact b: bool = false
rule one on start when a do set b = true
rule two on start when b do set a = true"""
    )
    assert isinstance(rejected, Rejected)
    assert [d.code.number for d in rejected.diagnostics] == ["CH030"]
    assert "was" in (rejected.diagnostics[0].help or "")


def test_an_overridden_rule_does_not_fire_and_overrides_nothing() -> None:
    program = program_of("""
rule a on start do say hello
rule b overrides a on start do say bye
rule c overrides b on start do disclose notice""")
    assert Conversation(program).acts("start") == ["disclose notice", "say hello"]


def test_two_rules_that_write_different_values_make_the_safe_stop() -> None:
    program = program_of("""
fact n: int 0..9 = 0
rule one on start do set n = 1  say hello
rule two on start do set n = 2""")
    talk = Conversation(program)
    (step,) = talk.on("start")
    assert [b.requirement for b in step.outcome.broken] == ["no conflict"]
    assert [(a.kind, a.name) for a in step.outcome.acts] == [("escalate", "general")]
    assert step.outcome.state[Variable("n")] == 0


def test_a_write_beyond_the_bounds_makes_the_safe_stop_and_a_second_one_ends() -> None:
    program = program_of("""
fact n: int 0..1 = 0
rule up on keys do set n = n + 1  say hello
rule greet on start do say hello""")
    talk = Conversation(program)
    talk.on("start")
    assert talk.broken("keys", digits="1") == set()
    assert talk.broken("keys", digits="1") == {"in range"}
    assert talk.acts("escalate general fails", reason="error") == ["end"]


def test_a_backslash_that_is_escaped_does_not_escape_the_slot_after_it() -> None:
    program = program_of("""
prompt where(folder: id) { en "C:\\\\{folder} \\{folder\\} \\\\\\{" }
rule tell on start do say where(folder: "home")""")
    steps = Conversation(program).on("start")
    assert spoken(program, steps[0].outcome.acts[0], "en") == r"C:\home {folder} \{"


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "-0.25 of 12 k-1.5 1.5"), ("de", "-0,25 of 12 k-1.5 1.5"), ("de_CH", "-0.25 of 12 k-1.5 1.5")],
)
def test_a_decimal_is_said_as_the_language_writes_it_and_nothing_else_is_changed(language: str, said: str) -> None:
    program = program_of(
        """
prompt told(part: decimal(2) -9..9, whole: int 0..99, key: id, note: text max 9) {
  LANGUAGE "{part} of {whole} {key} {note}"
}
rule tell on start do say told(part: -0.25, whole: 12, key: "k-1.5", note: "1.5")""".replace("LANGUAGE", language),
        HEADER.replace("languages en", f"languages {language}").replace("{ en ", f"{{ {language} "),
    )
    (act,) = Conversation(program).on("start", language=language)[0].outcome.acts
    assert spoken(program, act, language) == said
    assert spelled_act(program, act) == "say told(part: -0.25, whole: 12, key: k-1.5, note: 1.5)"


@pytest.mark.parametrize(("language", "said"), [("en", "0.25 unknown"), ("fr", "0,25 unknown")])
def test_a_decimal_that_may_be_unknown_is_said_as_the_language_writes_it(language: str, said: str) -> None:
    program = program_of(
        """
fact part: decimal(2) 0..9? = 0.25
fact other: decimal(2) 0..9?
prompt told(part: decimal(2) 0..9?, other: decimal(2) 0..9?) { LANGUAGE "{part} {other}" }
rule tell on start do say told(part: part, other: other)""".replace("LANGUAGE", language),
        HEADER.replace("languages en", f"languages {language}").replace("{ en ", f"{{ {language} "),
    )
    (act,) = Conversation(program).on("start", language=language)[0].outcome.acts
    assert spoken(program, act, language) == said


TIMES = """
event moved { at: time, by: duration }
event told { at: time }
tool remind(at: time) returns { kept: bool } reads within 1 s
fact at: time?
rule greet on start do say hello
rule move on moved when its by < 24 h do set at = its at + its by  say hello
rule tell on told do call remind(at: its at + 1 ms)  say hello
rule kept on remind or remind fails do say hello
"""
FIRST, LAST = parse_time("0001-01-01T00:00:00Z", ""), parse_time("9999-12-31T23:59:59.999Z", "")


@pytest.mark.parametrize(("edge", "beyond"), [(FIRST, -1), (LAST, 1)])
def test_a_time_fact_reads_back_at_both_ends_of_the_calendar_and_never_lies_beyond(edge: int, beyond: int) -> None:
    program = program_of(TIMES)
    conversation = Conversation(program)
    conversation.on("start")
    conversation.on("moved", at=edge - beyond, by=beyond)
    at = conversation.session.state[Variable("at")]
    assert at == edge
    assert from_json(to_json(at, TIME), TIME, "at") == at
    assert conversation.broken("moved", at=edge, by=beyond) == {"in range"}
    assert conversation.session.state[Variable("at")] == edge


def test_an_argument_beyond_the_calendar_makes_the_safe_stop() -> None:
    conversation = Conversation(program_of(TIMES))
    conversation.on("start")
    assert conversation.acts("told", at=LAST - 1) == ["say hello", "call remind(at: 9999-12-31T23:59:59.999Z)"]
    conversation.on("remind", at=LAST, kept=True)
    assert conversation.broken("told", at=LAST) == {"in range"}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])
def test_a_written_time_outside_the_calendar_is_refused_by_name(text: str) -> None:
    with pytest.raises(Misfit, match=r"when: .* lies outside the years 1 to 9999, UTC"):
        from_json(text, TIME, "when")
    rejected = load_text(HEADER + f"fact at: time = {text}\n")
    assert isinstance(rejected, Rejected)
    assert "is no point in time in the years 1 to 9999" in str(rejected)


def test_equal_acts_are_one_act_with_all_reasons() -> None:
    program = program_of("""
rule one on start do escalate desk because "one"
rule two on start do escalate desk because "two" """)
    (step,) = Conversation(program).on("start")
    (act,) = step.outcome.acts
    assert act.reasons == ("one", "two")


@pytest.mark.parametrize("acts", ["escalate desk", 'end because "x"', ""])
def test_two_different_transfers_and_a_transfer_with_an_end_exclude_each_other(acts: str) -> None:
    fragment = "rule one on start do escalate general" + (f"\nrule two on start do {acts}" if acts else "")
    broken = Conversation(program_of(fragment)).broken("start")
    assert broken == ({"no excluded acts"} if acts else set())


def test_an_end_excludes_a_new_write_but_not_a_read() -> None:
    assert Conversation(program_of('rule r on start do end  call write(key: "k")')).broken("start") == {
        "no excluded acts"
    }
    assert not Conversation(program_of('rule r on start do end  call look(key: "k")')).broken("start")


def test_an_ask_beyond_its_bound_fails_at_once_as_exhausted_and_a_further_one_is_broken() -> None:
    program = program_of("""
rule greet on start do say bye
rule again on guess do ask guess
rule listen on utterance do ask guess""")
    talk = Conversation(program)
    talk.on("start")
    talk.on("utterance")
    steps = talk.on("guess", intent="yes", sure=50)
    assert [step.event.kind for step in steps] == ["guess", "guess fails"]
    assert steps[1].event.fields["reason"] == "exhausted"
    assert [(a.kind, a.name) for a in steps[1].outcome.acts] == [("escalate", "general")]


def test_transfers_that_are_tried_again_without_end_end_by_the_safe_stop() -> None:
    program = program_of("""
queue often within 5 s up to 3 times
fact retry: bool = true
rule greet on start do say hello
rule help on keys do escalate often
rule again overrides nobody on escalate often fails when retry do escalate often""")
    conversation = Conversation(program)
    conversation.on("start")
    assert conversation.acts("keys", digits="1") == ["say hello", "escalate often"]
    assert conversation.acts("escalate often fails", reason="late") == ["escalate often"]
    assert conversation.acts("escalate often fails", reason="late") == ["escalate often"]
    stopped = conversation.on("escalate often fails", reason="late")
    assert {broken.requirement for broken in stopped[0].outcome.broken} == {"within bounds"}
    assert [spelled_act(program, act) for act in stopped[0].outcome.acts] == ["escalate general"]
    assert conversation.acts("escalate general fails", reason="late") == ["end"]


def test_an_event_that_cannot_come_is_dropped_and_changes_nothing() -> None:
    talk = Conversation(program_of("rule greet on start do say bye"))
    talk.on("start")
    before = talk.session.state
    (step,) = talk.on("guess", intent="yes", sure=50)
    assert step.outcome.dropped
    assert talk.session.state == before


def test_in_a_step_that_escalates_asks_and_collects_do_not_leave() -> None:
    program = program_of("""
fact pin: id?
rule ask on start do ask guess  collect pin  call look(key: "k")  escalate desk
rule no_pin on collect pin fails do say hello
rule got on collected pin do set pin = its value  say hello""")
    assert Conversation(program).acts("start") == ["call look(key: k)", "escalate desk"]


def test_an_unread_suggestion_is_unknown_again_in_the_next_turn() -> None:
    program = program_of("""
rule greet on start do say bye
rule listen on utterance do ask guess
rule heard on guess do say bye
rule later on keys when guess.intent is known do disclose notice""")
    talk = Conversation(program)
    talk.on("start")
    talk.on("utterance")
    talk.on("guess", intent="yes", sure=50)
    assert talk.acts("keys", digits="1") == ["say hello"]


def test_guards_that_share_conditions_hold_each_on_its_own() -> None:
    program = program_of("""
enum Mood { calm, cross }
fact mood: Mood? = unknown
fact count: int 0..9? = unknown
fact flag: bool = false
event learn { at: Mood, much: int 0..9 }
event e { level: int 0..9, on: bool, off: bool }
rule greet  on start do say hello
rule calm   on e when mood is known and mood == calm do note "calm"
rule cross  on e when mood is known and mood != calm do note "cross"
rule plain  on e when mood is unknown do note "plain"
rule both   on e when its off and not its off do note "both"
rule never  on e when flag and not flag do note "never"
rule low    on e when count is known and count <= its level and its on do note "low"
rule high   on e when count is known and count > its level do note "high"
rule either on e when flag or its on do note "either"
rule learn  on learn do set flag = true  set count = its much  set mood = its at""")
    conversation = Conversation(program)
    conversation.acts("start")
    assert conversation.acts("e", level=3, on=False, off=False) == ["note(text: plain)"]
    conversation.acts("learn", at="calm", much=4)
    assert conversation.acts("e", level=3, on=True, off=True) == [
        "note(text: calm)",
        "note(text: high)",
        "note(text: either)",
    ]
    assert conversation.acts("e", level=4, on=True, off=True) == [
        "note(text: calm)",
        "note(text: low)",
        "note(text: either)",
    ]
    conversation.acts("learn", at="cross", much=9)
    assert conversation.acts("e", level=8, on=False, off=False) == [
        "note(text: cross)",
        "note(text: high)",
        "note(text: either)",
    ]
