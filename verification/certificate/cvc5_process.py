"""cvc5 in a process of its own: a line with a question in, a line with the answers out. Imports nothing of Charter.

A question is a JSON object: `script` declares and asserts, `cases` are conditions that are asked about one by one, or
none. An answer is a list with `sat`, `unsat` or `unknown` for each case, or one for the script, or an object with what
went wrong as its `error`.
"""

import contextlib
import json
import resource
import sys
from typing import TypedDict

import cvc5


class Question(TypedDict):
    """What comes in."""

    script: str
    cases: list[str]


def answers(question: Question) -> list[str]:
    """What cvc5 says to each case."""
    solver = cvc5.Solver(cvc5.TermManager())
    symbols = cvc5.SymbolManager(solver.getTermManager())
    if question["cases"]:
        solver.setOption("incremental", "true")
    _told(solver, symbols, "(set-logic ALL)" + question["script"])
    asked = [f"(check-sat-assuming ({case}))" for case in question["cases"]] or ["(check-sat)"]
    return [_told(solver, symbols, each).strip() for each in asked]


def _told(solver: cvc5.Solver, symbols: cvc5.SymbolManager, text: str) -> str:
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "certificate")
    said = []
    while not (command := parser.nextCommand()).isNull():
        said.append(str(command.invoke(solver, symbols)))
    return "".join(said)


def main(megabytes: int) -> None:
    """Answers until there is nothing more to answer."""
    with contextlib.suppress(ValueError, OSError):  # macOS may not know this limit
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    for line in sys.stdin:
        try:
            reply: object = answers(json.loads(line))
        except (RuntimeError, MemoryError) as error:  # cvc5 has no error of its own
            reply = {"error": str(error) or "out of memory"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
