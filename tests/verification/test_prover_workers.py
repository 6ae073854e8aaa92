"""Work in processes that hang, crash, run out of memory or raise: each is one failure, and the others finish."""

import multiprocessing
import os
import time
from functools import partial

import pytest

from charter.verification.workers import Failed, Limits, beside, worked, worked_in_order


def work(task: str) -> str:
    """Does what the task says."""
    match task:
        case "hang":
            time.sleep(60)
        case "crash":
            os._exit(7)
        case "grow":
            bytearray(4 * 1024**3)
        case "raise":
            raise ValueError("no such thing")
    return task.upper()


def test_whatever_one_piece_of_work_does_the_others_finish() -> None:
    tasks = ["hang", "one", "crash", "grow", "two", "raise"]
    answers = dict(worked(tasks, work, Limits(jobs=2, seconds=2, megabytes=2048)))
    assert answers["one"] == "ONE"
    assert answers["two"] == "TWO"
    whys = {task: answer.why for task, answer in answers.items() if isinstance(answer, Failed)}
    assert whys == {
        "hang": "no answer in 2 s",
        "crash": "the solver's process ended with code 7",
        "grow": "out of memory",
        "raise": "internal error: ValueError: no such thing",
    }


def test_answers_can_come_in_the_order_of_the_tasks() -> None:
    tasks = ["hang", "one", "raise", "two"]
    late, one, raised, two = worked_in_order(tasks, work, Limits(jobs=2, seconds=1))
    assert isinstance(late, Failed)
    assert isinstance(raised, Failed)
    assert (one, two) == ("ONE", "TWO")


def spread(task: str) -> dict[str, str | Failed]:
    return dict(worked(("one", task), work, Limits()))


def test_work_may_be_spread_further() -> None:
    assert dict(worked(("two",), spread, Limits())) == {"two": {"one": "ONE", "two": "TWO"}}


def test_work_that_is_spread_further_ends_with_what_spread_it() -> None:
    here, there = multiprocessing.Pipe(duplex=False)  # those who work hold `there` too
    ((_, answer),) = worked(("hang",), spread, Limits(seconds=1))
    there.close()
    assert isinstance(answer, Failed)
    assert here.poll(30)
    with pytest.raises(EOFError):
        here.recv()


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("one", "ONE"),
        ("hang", Failed("no answer in 1 s")),
        ("crash", Failed("the solver's process ended with code 7")),
        ("raise", Failed("internal error: ValueError: no such thing")),
    ],
)
def test_work_beside_has_an_answer_whatever_it_does(task: str, answer: object) -> None:
    with beside(partial(work, task), Limits(seconds=1)) as answered:
        assert answered() == answer


def test_work_beside_ends_where_nobody_asks_for_it() -> None:
    with beside(partial(work, "hang"), Limits()):
        (child,) = multiprocessing.active_children()
    assert child not in multiprocessing.active_children()
