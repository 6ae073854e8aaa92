"""Work in processes that hang, crash, run out of memory or raise: each is one failure, and the others finish."""

import os
import time

from charter.verification.workers import Failed, Limits, worked


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
