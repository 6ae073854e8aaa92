"""What proofs cost, cold and after an edit, at several sizes of policy, beside Z3 and cvc5 on the problems unsliced.

`python bench/verify.py [RULESxREQUIREMENTS…]`, or all sizes. The policies are those of `verify_policies.py`, regular
and irregular, as they are and with seeded faults. Each is proved in a process of its own, with an empty cache, and
then once more with one rule changed: in what it says, and apart from that in what it writes, both by that process,
which has the proofs (as `--watch` does); and in what it says with the cache alone. The peers are Spacer, Z3's engine,
and cvc5, given the exact steps with every column of the state, as horn clauses, for one requirement of each form of the
regular policies (their time limit is below); where one has no answer, it is not asked about a larger policy. Writes
`bench/out/verify.json`.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import cvc5
import z3
from verify_policies import FAULTS, policy

from charter.dsl.load import Rejected, load_text
from charter.dsl.program import STEP_CHECKS, Program
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of
from charter.verification.encode.terms import TRUE
from charter.verification.prove.cache import Cache
from charter.verification.prove.facts import Facts
from charter.verification.prove.horn import clauses
from charter.verification.prove.machine import Machine, goals_of
from charter.verification.prove.pictures import pictured
from charter.verification.prove.prove import Settings, proved, subject_of
from charter.verification.prove.solver import Unclear, reaches
from charter.verification.prove.standing import Standing
from charter.verification.prove.verdicts import Result
from charter.verification.show.report import word
from charter.verification.workers import Failed, Limits, worked

SIZES = ("100x30", "300x100", "1000x100")
PATIENCE = 30.0  # seconds for a peer, for each requirement
EDITED = 0  # the module in which a rule is changed


@dataclass(frozen=True, slots=True)
class Setting:
    """A policy of the benchmark."""

    rules: int
    requirements: int
    irregular: bool
    faulty: bool

    def text(self) -> str:
        """The policy; its faults are in the last modules."""
        modules = max(1, (self.rules - 10) // 10)
        faults = {modules - 1 - i: fault for i, fault in enumerate(FAULTS)} if self.faulty else {}
        return policy(self.rules, self.requirements, irregular=self.irregular, faults=faults)


def main(sizes: Iterable[str]) -> None:
    """Measures every setting, each in its process, and prints a table."""
    rows: list[dict[str, Any]] = []
    lost: set[tuple[str, str]] = set()  # forms and the peers that have no answer on them
    for size, irregular, faulty in product(sizes, (False, True), (False, True)):
        rules, requirements = (int(part) for part in size.split("x"))
        given = json.dumps([asdict(Setting(rules, requirements, irregular, faulty)), sorted(lost)])
        run = subprocess.run([sys.executable, __file__, "--one", given], capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(f"{given}: {run.stderr}")
        rows.append(json.loads(run.stdout))
        answers = ((form, *each) for form, asked in rows[-1]["peers"].items() for each in asked.items())
        lost |= {(form, peer) for form, peer, answer in answers if isinstance(answer, str)}
        _print(rows[-1], first=len(rows) == 1)
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "verify.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def measured(setting: Setting, lost: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """All that is measured of a setting; forms of requirements and the peers that are not asked about them."""
    text = setting.text()
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder), lambda said: print(said, file=sys.stderr))
        cold, standing = _proved(text, cache)
        memory = _largest_megabytes()
        watched = {edit: _watched(standing, edited(text)) for edit, edited in EDITS.items()}
        edited, _ = _proved(_says_otherwise(text), cache)
    peers = {} if setting.faulty or setting.irregular else _peers(_program(text), lost)
    return {
        **asdict(setting),
        "cold": cold,
        "watched": watched,
        "edited": edited,
        "largest_process_mb": memory,
        "largest_watching_mb": _largest_megabytes(),
        "peers": peers,
    }


def _watched(standing: Standing, text: str) -> dict[str, Any]:
    """Seconds of the wall and of computing for the verdicts on an edited policy; how many were worked on again."""
    program, settings = _program(text), Settings()
    began, computed = time.perf_counter(), _computed()
    lost = standing.lost(program, settings)
    if lost is None:
        sys.exit("an edit of the benchmark is not seen at once")
    again = list(proved(standing.edited(program, lost, settings), settings.limits, sorted(lost))) if lost else []
    seconds, cpu = _since(began), round(_computed() - computed, 2)
    return {"seconds": seconds, "cpu_seconds": cpu, "again": len(again), "verdicts": _counted(again)}


def _proved(text: str, cache: Cache) -> tuple[dict[str, Any], Standing]:
    """Seconds of the wall and of computing for all verdicts; how many of each; the median for each form."""
    program, settings = _program(text), Settings(cache=cache)
    began, computed = time.perf_counter(), _computed()
    subject = subject_of(program, settings)
    results = list(proved(subject, settings.limits))
    found = {
        "seconds": _since(began),
        "cpu_seconds": round(_computed() - computed, 2),
        "searched": sum(result.searched for result in results),
        "verdicts": _counted(results),
        "forms": {form: _median(each.seconds for each in some) for form, some in _forms(results).items()},
        "slowest_refutation": max((r.seconds for r in results if word(r.verdict) == "refuted"), default=None),
    }
    return found, Standing.after(subject, results)


def _largest_megabytes() -> int:
    """The most that this process, or one that it started, has taken so far."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) // 1024


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 2)


def _peers(program: Program, lost: Sequence[tuple[str, str]]) -> dict[str, dict[str, float | str]]:
    """Seconds of each peer for one requirement of each form, or why there is no answer."""
    machine = Machine(Encoder(program), goals_of(program), Facts())
    kept, codes = tuple(sorted(machine.place)), codes_of(program)
    names = {name.rsplit("_", 1)[0]: name for name in machine.goals if name not in STEP_CHECKS}

    def work(task: tuple[str, str]) -> float | str:
        form, peer = task
        picture = pictured(machine, machine.goals[names[form]], kept, (), exact=True)
        rules = clauses(machine, picture, codes, TRUE)
        began = time.process_time()
        why = PEERS[peer](rules)
        return why or round(time.process_time() - began, 2)

    limits = Limits(jobs=1, seconds=PATIENCE, megabytes=4096)
    found: dict[str, dict[str, float | str]] = {form: {} for form in names}
    asked = tuple(each for each in product(names, PEERS) if each not in lost)
    for (form, peer), answer in worked(asked, work, limits):
        found[form][peer] = answer.why if isinstance(answer, Failed) else answer
    return found


def _spacer(rules: str) -> str:
    """Why Spacer has no answer."""
    answer = reaches(rules, 2**31)
    return answer.why if isinstance(answer, Unclear) else ""


def _cvc5(rules: str) -> str:
    """Why cvc5 has no answer: it is asked for an invariant by syntax-guided synthesis, as it takes horn clauses."""
    engine, same = z3.Fixedpoint(), z3.Solver()
    queries = engine.parse_string(rules)
    same.add(*engine.get_rules(), z3.Not(queries[0]))
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("incremental", "false")
    solver.setOption("sygus-inference", "on")
    symbols = cvc5.SymbolManager(solver.getTermManager())
    parser = cvc5.InputParser(solver, symbols)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, f"(set-logic HORN)\n{same.to_smt2()}", "rules")
    said = ""
    while not (command := parser.nextCommand()).isNull():
        said += str(command.invoke(solver, symbols))
    return "" if said.strip() in ("sat", "unsat") else said.strip()


PEERS = {"Spacer": _spacer, "cvc5": _cvc5}


def _says_otherwise(text: str) -> str:
    """The policy with one rule changed: it says something else."""
    return _edited(text, "do say how_can_i_help")


def _writes_more(text: str) -> str:
    """The policy with one rule changed: it also writes a fact that requirements rest on."""
    return _edited(text, f"do say say_again  set told_{EDITED} = false")


EDITS = {"says": _says_otherwise, "writes": _writes_more}


def _edited(text: str, does: str) -> str:
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"rule again_{EDITED} on classify "))
    lines[at] = lines[at].replace("do say say_again", does)
    return "\n".join(lines)


def _counted(results: Iterable[Result]) -> dict[str, int]:
    return dict(Counter(word(result.verdict) for result in results))


def _forms(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        form = "every policy" if result.name in STEP_CHECKS else result.name.rsplit("_", 1)[0]
        found.setdefault(form, []).append(result)
    return found


def _program(text: str) -> Program:
    loaded = load_text(text)
    if isinstance(loaded, Rejected):
        sys.exit(str(loaded))
    return loaded.program


def _computed() -> float:
    """Seconds of computing of this process and of those that it started and that are done."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


def _print(row: dict[str, Any], *, first: bool) -> None:
    if first:
        print(f"{'policy':<35} cold s   CPU s  watched s, again  edit s   CPU s  worked on  MB     verdicts")
    size = f"{row['rules']} x {row['requirements']}"
    shape = ("irregular" if row["irregular"] else "regular") + (", faults" if row["faulty"] else "")
    cold, edited = row["cold"], row["edited"]
    verdicts = ", ".join(f"{count} {kind}" for kind, count in cold["verdicts"].items() if count)
    says, writes = row["watched"].values()
    print(
        f"{size:<12} {shape:<20} {cold['seconds']:>9} {cold['cpu_seconds']:>7}"
        f" {says['seconds']:>5}, {says['again']:<2} {writes['seconds']:>5}, {writes['again']:<2}"
        f" {edited['seconds']:>7} {edited['cpu_seconds']:>7} {edited['searched']:>4} of {cold['searched']:<4}"
        f" {row['largest_process_mb']:>5}  {verdicts}",
        flush=True,
    )
    for form, median in cold["forms"].items():
        beside = "".join(_beside(name, answer, median) for name, answer in row["peers"].get(form, {}).items())
        print(f"    {form:<16} {median:>7} s in the median{beside}", flush=True)


def _beside(peer: str, answer: float | str, median: float) -> str:
    times = f" s ({answer / median:.0f} times)" if isinstance(answer, float) and median else ""
    return f"; {peer} on everything: {answer}{times}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        given, without = json.loads(sys.argv[2])
        print(json.dumps(measured(Setting(**given), [(form, peer) for form, peer in without])))
    else:
        main(sys.argv[1:] or SIZES)
