"""The order of a conversation: what waits, what fails as late, what is dropped."""

from policies import Conversation, program_of

from charter.dsl.program import Variable
from charter.dsl.session import Step

LISTEN = """
rule greet on start do say hello
rule listen on utterance do ask guess
rule heard on guess do say bye
"""


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return [step.event.kind for step in steps]


def test_what_the_customer_goes_on_without_fails_as_late() -> None:
    talk = Conversation(program_of(LISTEN))
    talk.on("start")
    talk.on("utterance")
    steps = talk.on("utterance")
    assert kinds(steps) == ["guess fails"]
    assert steps[0].event.fields["reason"] == "late"


def test_a_late_call_that_writes_is_uncertain_and_one_that_reads_fails() -> None:
    program = program_of("""
rule greet on start do call look(key: "1")  call write(key: "2")
rule found on look do say hello
rule wrote on write do say hello
rule going overrides failed on look fails do say bye""")
    talk = Conversation(program)
    talk.on("start")
    assert kinds(talk.on("keys", digits="1")) == ["look fails", "write uncertain"]


def test_events_wait_during_a_transfer_and_come_when_it_fails() -> None:
    program = program_of("""
rule greet on start do escalate desk
rule back overrides nobody on escalate desk fails do say bye""")
    talk = Conversation(program)
    talk.on("start")
    assert talk.on("keys", digits="1") == ()
    assert talk.on("silence") == ()
    assert kinds(talk.on("escalate desk fails", reason="error")) == ["escalate desk fails", "keys"]


def test_a_silence_never_waits() -> None:
    program = program_of("rule greet on start do escalate desk")
    talk = Conversation(program)
    talk.on("start")
    talk.on("silence")
    assert talk.session.waiting == ()


def test_a_hang_up_is_a_step_even_during_a_transfer_and_nothing_comes_after_it() -> None:
    talk = Conversation(program_of("rule greet on start do escalate desk"))
    talk.on("start")
    (step,) = talk.on("hangup")
    assert step.outcome.dropped is None
    (after,) = talk.on("keys", digits="1")
    assert after.outcome.dropped


def test_a_settlement_after_the_end_keeps_what_it_writes_and_does_nothing_else() -> None:
    program = program_of("""
fact done: bool = false
rule greet on start do call write(key: "1")  say hello
rule wrote on write do set done = its done  say bye""")
    talk = Conversation(program)
    talk.on("start")
    talk.on("hangup")
    (step,) = talk.on("write", key="1", done=True)
    assert step.outcome.dropped is None
    assert step.outcome.acts == ()
    assert talk.session.state[Variable("done")] is True


def test_a_result_that_breaks_an_assumption_is_a_failure() -> None:
    program = program_of("""
assume look returns its found
rule greet on start do call look(key: "1")
rule found on look do say hello""")
    talk = Conversation(program)
    talk.on("start")
    (step,) = talk.on("look", key="1", found=False)
    assert step.event.kind == "look fails"
    assert step.event.fields["reason"] == "invalid"


def test_a_second_answer_and_an_answer_to_another_call_are_dropped() -> None:
    program = program_of("""
rule greet on start do call look(key: "1")
rule found on look do say hello""")
    talk = Conversation(program)
    talk.on("start")
    (other,) = talk.on("look", key="2", found=True)
    assert other.outcome.dropped
    (first,) = talk.on("look", key="1", found=True)
    assert first.outcome.dropped is None
    (second,) = talk.on("look", key="1", found=True)
    assert second.outcome.dropped
