"""durable-rules as its documentation has it: one `post` a message, callbacks for what fires. For `bench/step.py`.

Prints the microseconds of a message. `python bench/documented_durable_rules.py RULES KINDS DIFFERING`
"""

import sys
import time
from random import Random

from durable.lang import m, post, ruleset, when_all
from step import MOODS, facts_of, guard_of

MESSAGES = 300


def main(rules: int, kinds: int, differing: bool) -> None:
    """Declares the rules and posts the messages."""
    facts = facts_of(rules)
    fired: list[int] = []
    with ruleset("bench"):
        for i in range(rules):
            places = zip("nmb", guard_of(i, facts, differing), strict=True)
            number, mood, flag = (getattr(m, f"{sort}{place}") for sort, place in places)
            guard = (m.kind == f"e{i % kinds}") & (number <= 5) & (mood == MOODS[i % 3]) & (flag == 1)

            def fires(_: object, i: int = i) -> None:
                fired.append(i)

            when_all(guard)(fires)
    rng = Random(1)
    began = time.perf_counter()
    for number in range(MESSAGES):
        message: dict[str, object] = {"id": number, "sid": "1", "kind": f"e{rng.randrange(kinds)}"}
        for i in range(facts):
            message |= {f"n{i}": rng.randrange(10), f"m{i}": rng.choice(MOODS), f"b{i}": rng.randrange(2)}
        try:
            post("bench", message)
        except Exception as refused:  # a message that no rule takes is an exception there
            if "MessageNotHandled" not in type(refused).__name__:
                raise
    print((time.perf_counter() - began) / MESSAGES * 1e6)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
