"""What proofs cost, cold and after an edit, at several sizes of policy, beside Z3 on the same problems unsliced.

`python bench/verify.py [RULESxREQUIREMENTS…]`, or all sizes. The policies are those of `verify_policies.py`, regular
and irregular, as they are and with seeded faults. Each is proved in a process of its own, with an empty cache, and
then once more with one rule changed. The peer is Spacer, Z3's engine, given the exact steps with every column of the
state, as horn clauses, for one requirement of each form (its time limit is below). Writes `bench/out/verify.json`.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from verify_policies import FAULTS, policy

from charter.dsl.load import Rejected, load_text
from charter.dsl.program import STEP_CHECKS, Program
from charter.verification.cache import Cache
from charter.verification.encode import Encoder
from charter.verification.facts import Facts
from charter.verification.horn import clauses
from charter.verification.machine import Machine, goals_of
from charter.verification.prove import Settings, prove
from charter.verification.report import word
from charter.verification.smt import codes_of
from charter.verification.solver import Unclear, reaches
from charter.verification.terms import TRUE
from charter.verification.verdicts import Result
from charter.verification.workers import Failed, Limits, worked

SIZES = ("100x30", "300x100", "1000x100")
PATIENCE = 60.0  # seconds for the peer, for each requirement
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
    rows = []
    for size, irregular, faulty in product(sizes, (False, True), (False, True)):
        rules, requirements = (int(part) for part in size.split("x"))
        given = json.dumps(asdict(Setting(rules, requirements, irregular, faulty)))
        run = subprocess.run([sys.executable, __file__, "--one", given], capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(f"{given}: {run.stderr}")
        rows.append(json.loads(run.stdout))
        _print(rows[-1], first=len(rows) == 1)
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "verify.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def measured(setting: Setting) -> dict[str, Any]:
    """All that is measured of a setting."""
    text = setting.text()
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder), lambda said: print(said, file=sys.stderr))
        cold = _proved(text, cache)
        edited = _proved(_edited(text), cache)
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peer = {} if setting.faulty else _peer(_program(text))
    return {**asdict(setting), "cold": cold, "edited": edited, "largest_process_mb": memory // 1024, "peer": peer}


def _proved(text: str, cache: Cache) -> dict[str, Any]:
    """Seconds of the wall and of computing for all verdicts; how many of each; the median for each form."""
    program = _program(text)
    began, computed = time.perf_counter(), _computed()
    results = list(prove(program, Settings(cache=cache)))
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(_computed() - computed, 2),
        "searched": sum(result.searched for result in results),
        "verdicts": {kind: sum(word(r.verdict) == kind for r in results) for kind in ("proved", "refuted", "unknown")},
        "forms": {form: _median(each.seconds for each in some) for form, some in _forms(results).items()},
        "slowest_refutation": max((r.seconds for r in results if word(r.verdict) == "refuted"), default=None),
    }


def _peer(program: Program) -> dict[str, float | str]:
    """Seconds of Spacer for one requirement of each form, or why there is no answer."""
    machine = Machine(Encoder(program), goals_of(program), Facts())
    kept, codes = tuple(sorted(machine.place)), codes_of(program)
    names = {name.rsplit("_", 1)[0]: name for name in machine.goals if name not in STEP_CHECKS}

    def work(form: str) -> float | str:
        began = time.process_time()
        picture = machine.picture(machine.goals[names[form]], kept, (), exact=True)
        answer = reaches(clauses(machine, picture, codes, TRUE), 2**31)
        return answer.why if isinstance(answer, Unclear) else round(time.process_time() - began, 2)

    limits = Limits(jobs=1, seconds=PATIENCE, megabytes=4096)
    return {
        form: found.why if isinstance(found, Failed) else found for form, found in worked(tuple(names), work, limits)
    }


def _edited(text: str) -> str:
    """The policy with one rule changed: it says something else."""
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"rule again_{EDITED} "))
    lines[at] = lines[at].replace("do say say_again", "do say how_can_i_help")
    return "\n".join(lines)


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
        print("policy                              cold s   CPU s  edit s   CPU s  worked on  MB     verdicts")
    size = f"{row['rules']} x {row['requirements']}"
    shape = ("irregular" if row["irregular"] else "regular") + (", faults" if row["faulty"] else "")
    cold, edited = row["cold"], row["edited"]
    verdicts = ", ".join(f"{count} {kind}" for kind, count in cold["verdicts"].items() if count)
    print(
        f"{size:<12} {shape:<20} {cold['seconds']:>9} {cold['cpu_seconds']:>7} {edited['seconds']:>7}"
        f" {edited['cpu_seconds']:>7} {edited['searched']:>4} of {cold['searched']:<4} {row['largest_process_mb']:>5}"
        f"  {verdicts}",
        flush=True,
    )
    for form, median in cold["forms"].items():
        peer = row["peer"].get(form)
        times = f" ({peer / median:.0f} times)" if isinstance(peer, float) and median else ""
        beside = "" if peer is None else f"; Spacer on everything: {peer}{'' if times == '' else ' s'}{times}"
        print(f"    {form:<16} {median:>7} s in the median{beside}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(Setting(**json.loads(sys.argv[2])))))
    else:
        main(sys.argv[1:] or SIZES)
