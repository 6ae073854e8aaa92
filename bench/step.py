"""What one step costs, and its parts, at several sizes of policy, beside other ways to decide. `python bench/step.py`.

The policies have guards of three atoms (an order of numbers, an enum and a bool) on ten kinds of events, then all on
one. Some guards are equal: 30 of 100 and of 300 differ, and 300 of 1,000; then the same with guards that all differ.
Peers only find the rules that fire, where the step also says what is done, judges requirements and is computed twice:

- CLIPS, keeping the facts of one conversation, told what changed (`pip install clipspy`; left out where it is missing);
- CLIPS, told all facts at each step, as a server that holds no conversation would;
- generated Python: one `if` per rule, on a dictionary;
- durable-rules as its documentation has it: `post` of a message with all facts, in a process of its own, since it does
  not survive every size; it lets one matching rule run, and its guards compare with constants.

The step was faster than CLIPS keeping with equal guards at every size, on ten kinds (0.61 to 0.81 of it) and on one
(0.57 to 0.96), and where guards differ with 20 rules, and up to 300 on ten kinds (0.62 to 0.99). It was slower with
1,000 rules on ten kinds whose guards differ (1.31), and from 100 rules on where they do on one kind (1.10 to 1.33).
`docs/decisions/0004-which-rules-fire.md` has all numbers, and what they are made of: durable-rules alone, told what the
kernel tells it; a step on an event without rules; CLIPS where it does not name what fired.

Then it runs 100,000 steps and says how much memory grew. Writes `bench/out/step.json`.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from charter.dsl.load import Rejected, load_text
from charter.dsl.program import STARTED, Event, EventKind, Program, State, Variable
from charter.dsl.semantics import step
from charter.dsl.types import Value
from charter.engine.decide import Decider
from charter.engine.rule_kernel import RuleKernel, answers, told

try:
    import clips
except ImportError:
    clips = None

SIZES = (20, 100, 300, 1_000)
SHAPES = {
    "ten kinds of events": (10, False),
    "one kind of event": (1, False),
    "ten kinds, all guards differ": (10, True),
    "one kind, all guards differ": (1, True),
}
LONG = 100_000  # steps after which memory is looked at again
PATIENCE = 60  # seconds for durable-rules' documented way
STEPS, ROUNDS = 300, 15
SLOW, FEW = 0.2, 2  # seconds of a round from which on it gets only so many
CHANGES = 3  # facts that differ between one step and the next
PEERS = ("generated Python", "CLIPS keeping", "CLIPS telling", "durable-rules")
MOODS = ("calm", "cross", "glad")
IDLE = EventKind("idle")  # no rule is on it

Move: TypeAlias = tuple[State, State, Event]  # what changed since the last, all variables, what happens
Decide: TypeAlias = Callable[[Move], object]


def facts_of(rules: int) -> int:
    """How many facts of each sort a policy of this size has."""
    return max(10, rules // 10)


def policy(rules: int, kinds: int, differing: bool) -> str:
    """A policy with this many rules on this many kinds of events."""
    facts = facts_of(rules)
    lines = ["policy bench", "  languages en", "  fallback queue general", f"enum Mood {{ {', '.join(MOODS)} }}"]
    lines += ["queue general  within 30 s", 'prompt done { en "Done." }']
    lines += [f"event e{i} {{ level: int 0..9 }}" for i in range(kinds)] + [f"event {IDLE}"]
    lines += [f"fact n{i}: int 0..9 = 0  fact m{i}: Mood = calm  fact b{i}: bool = false" for i in range(facts)]
    for i in range(rules):
        number, mood, flag = guard_of(i, facts, differing)
        guard = f"n{number} <= its level and m{mood} == {MOODS[i % 3]} and b{flag}"
        lines.append(f"rule r{i} on e{i % kinds} when {guard} do say done")
    return "\n".join(lines) + "\n"


def guard_of(rule: int, facts: int, differing: bool) -> tuple[int, int, int]:
    """Which number, mood and flag the guard of a rule reads."""
    apart = rule // facts if differing else 0
    return rule % facts, (rule * 7 + apart) % facts, (rule * 13 + apart * 3) % facts


def moves(program: Program, facts: int, kinds: int) -> list[Move]:
    """Steps of a conversation in which little changes from one to the next."""
    rng = Random(1)
    state = {**program.initial, STARTED: True}
    for i in range(facts):
        state |= values(rng, i)
    found: list[Move] = [(state, state, Event(EventKind("e0"), {"level": 0}, 0))]
    for now in range(1, STEPS):
        changes = dict(rng.choice(list(values(rng, rng.randrange(facts)).items())) for _ in range(CHANGES))
        state = {**state, **changes}
        found.append((changes, state, Event(EventKind(f"e{rng.randrange(kinds)}"), {"level": rng.randrange(10)}, now)))
    return found


def values(rng: Random, number: int) -> State:
    """Values for the facts of this number."""
    return {
        Variable(f"n{number}"): rng.randrange(10),
        Variable(f"m{number}"): rng.choice(MOODS),
        Variable(f"b{number}"): rng.random() < 0.5,
    }


# --- peers -----------------------------------------------------------------------------------------------------------


def generated(rules: int, kinds: int, differing: bool) -> Decide:
    """One `if` per rule, in a function per kind of event."""
    facts = facts_of(rules)
    lines = []
    for kind in range(kinds):
        lines += [f"def e{kind}(s, level):", "    fired = []"]
        for i in range(kind, rules, kinds):
            number, mood, flag = guard_of(i, facts, differing)
            guard = f"s['n{number}'] <= level and s['m{mood}'] == '{MOODS[i % 3]}' and s['b{flag}']"
            lines.append(f"    if {guard}: fired.append('r{i}')")
        lines.append("    return fired")
    functions: dict[str, Any] = {}
    exec("\n".join(lines), functions)
    return lambda move: functions[move[2].kind](move[1], move[2].fields["level"])


class Clips:
    """CLIPS with the rules of a policy. `keeping` holds facts from step to step; `telling` asserts all each time.

    `naming`: a rule that fires adds its name to a list; else nobody knows which fired.
    """

    def __init__(self, rules: int, kinds: int, differing: bool, *, naming: bool = True) -> None:
        facts = facts_of(rules)
        self._names = [Variable(f"{sort}{i}") for i in range(facts) for sort in "nmb"]
        self._environment = environment = clips.Environment()
        environment.build("(defglobal ?*fired* = (create$))")
        for name in [*self._names, *(f"e{kind}" for kind in range(kinds))]:
            environment.build(f"(deftemplate {name} (slot v))")
        for i in range(rules):
            number, mood, flag = guard_of(i, facts, differing)
            state = f"(m{mood} (v {MOODS[i % 3]})) (b{flag} (v TRUE))"
            event = f"(e{i % kinds} (v ?l)) (n{number} (v ?n&:(<= ?n ?l)))"
            named = f"(bind ?*fired* (create$ ?*fired* r{i}))" if naming else ""
            environment.build(f"(defrule r{i} {state} {event} => {named})")
        self._templates = {template.name: template for template in environment.templates()}
        self._fired = environment.find_global("fired")
        self._held: dict[Variable, Any] = {}

    def keeping(self, move: Move) -> list[str]:
        changes, _, event = move
        for name, value in changes.items():
            if name in self._held:
                self._held[name].modify_slots(v=spelled(value))
            elif name in self._templates:
                self._held[name] = self._templates[name].assert_fact(v=spelled(value))
        return self._ask(event)

    def telling(self, move: Move) -> list[str]:
        _, state, event = move
        told = [self._templates[name].assert_fact(v=spelled(state[name])) for name in self._names]
        fired = self._ask(event)
        for fact in told:
            fact.retract()
        return fired

    def _ask(self, event: Event) -> list[str]:
        fact = self._templates[event.kind].assert_fact(v=event.fields["level"])
        self._environment.run()
        fired = list(self._fired.value)
        self._fired.value = ()
        fact.retract()
        return fired


def spelled(value: Value) -> Any:
    """The value as CLIPS has it."""
    return clips.Symbol(value) if isinstance(value, str) else value


def library(kernel: RuleKernel, path: Sequence[Move]) -> Decide:
    """What the kernel tells durable-rules in each step, told again: the library alone."""
    messages: dict[int, list[Any]] = {}
    for _, state, event in path:
        stratum, scope = kernel._strata[event.kind, 0], (state, state, event.fields, event.now, set[str]())
        can_fire = stratum.can_fire(*scope)
        messages[event.now] = []
        for group in stratum.groups:
            bits = can_fire >> group.start & group.every
            while bits:
                message, bits = told(group, bits, *scope)
                messages[event.now].append((group, message))
    return lambda move: [answers(group, message) for group, message in messages[move[2].now]]


def durable_rules(rules: int, kinds: int, differing: bool) -> float | None:
    """Microseconds a message by its documented way, in a process of its own; None where that died or took too long."""
    program = Path(__file__).with_name("documented_durable_rules.py")
    command = [sys.executable, str(program), str(rules), str(kinds), str(int(differing))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return None
    return float(done.stdout) if done.returncode == 0 and done.stdout.strip() else None


# --- measuring -------------------------------------------------------------------------------------------------------


def contenders(rules: int, kinds: int, differing: bool, program: Program) -> Iterator[tuple[str, Decide]]:
    """The step, its parts, and the peers, by name."""
    kernel = RuleKernel(program)
    decider = Decider(program, RuleKernel(program), lambda: RuleKernel(program))
    yield "step", lambda move: decider.decide(*move[1:]).outcome.fired
    yield "kernel and evaluator", lambda move: kernel.step(*move[1:]).fired
    yield "semantics", lambda move: step(program, *move[1:]).fired
    yield "generated Python", generated(rules, kinds, differing)
    if clips is not None:
        yield "CLIPS keeping", Clips(rules, kinds, differing).keeping
        yield "CLIPS telling", Clips(rules, kinds, differing).telling


def floors(
    rules: int, kinds: int, differing: bool, program: Program, path: Sequence[Move]
) -> Iterator[tuple[str, Decide]]:
    """What a step and CLIPS cannot do without, by name."""
    decider = Decider(program, RuleKernel(program), lambda: RuleKernel(program))
    yield "durable-rules alone", library(RuleKernel(program), path)
    yield "step without rules", lambda move: decider.decide(move[1], Event(IDLE, {}, move[2].now))
    if clips is not None:
        yield "CLIPS not naming", Clips(rules, kinds, differing, naming=False).keeping


def measured(rules: int, kinds: int, differing: bool) -> dict[str, float]:
    """Microseconds a step for each contender. All take turns, and of each step the fastest round counts."""
    loaded = load_text(policy(rules, kinds, differing))
    if isinstance(loaded, Rejected):
        raise ValueError(str(loaded))
    path = moves(loaded.program, facts_of(rules), kinds)
    field = list(contenders(rules, kinds, differing, loaded.program))
    expected = [set(step(loaded.program, *move[1:]).fired) for move in path]
    for name, decide in field:
        if [set(decide(move)) for move in path] != expected:  # type: ignore[call-overload]
            raise AssertionError(f"{name} fires other rules")
    field += floors(rules, kinds, differing, loaded.program, path)
    best: dict[str, list[float]] = {name: timed(decide, path) for name, decide in field}
    for turn in range(ROUNDS):
        for name, decide in field:
            if turn >= FEW and sum(best[name]) > SLOW:
                continue
            best[name] = list(map(min, best[name], timed(decide, path)))
    found = {name: sum(times) / len(path) * 1e6 for name, times in best.items()}
    documented = durable_rules(rules, kinds, differing)
    return found if documented is None else {**found, "durable-rules": documented}


def timed(decide: Decide, path: Sequence[Move]) -> list[float]:
    """Seconds for each step, timed alone: a machine that is busy lets nobody run for long."""
    gc.collect()
    times = []
    for move in path:
        began = time.perf_counter()
        decide(move)
        times.append(time.perf_counter() - began)
    return times


def grown(program: Program, path: Sequence[Move]) -> int:
    """Kilobytes by which the process grew over a long row of steps, after a first hundredth of it."""
    decider = Decider(program, RuleKernel(program), lambda: RuleKernel(program))
    before = 0
    for i in range(LONG):
        decider.decide(*path[i % len(path)][1:])
        if i == LONG // 100:
            gc.collect()
            before = resident()
    gc.collect()
    return resident() - before


def resident() -> int:
    """Kilobytes of memory that this process has now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0])


def table(shape: str, results: dict[int, dict[str, float]]) -> None:
    """Prints microseconds, and ratios to the step."""
    names = list(results[SIZES[0]])
    print(f"{shape + ', µs a step':38}" + "".join(f"{rules:>9} rules" for rules in SIZES))
    for name in names:
        cells = (results[rules].get(name) for rules in SIZES)
        print(f"{name:38}" + "".join(f"{'did not survive' if c is None else format(c, '.1f'):>15}" for c in cells))
    for name in names:
        if name not in PEERS:
            continue
        pairs = ((results[rules]["step"], results[rules].get(name)) for rules in SIZES)
        print(f"{'step / ' + name:38}" + "".join(f"{'' if b is None else format(a / b, '.2f'):>15}" for a, b in pairs))
    print()


def main() -> None:
    """Prints tables, in microseconds and as ratios to the step, and writes them."""
    results = {shape: {rules: measured(rules, *kind) for rules in SIZES} for shape, kind in SHAPES.items()}
    for shape, found in results.items():
        table(shape, found)
    loaded = load_text(policy(100, 10, differing=False))
    if isinstance(loaded, Rejected):
        raise ValueError(str(loaded))
    growth = grown(loaded.program, moves(loaded.program, facts_of(100), 10))
    print(f"memory grew by {growth} kB over {LONG:,} steps at 100 rules")
    out = Path(__file__).parent / "out" / "step.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"steps": results, "grown_kb": growth}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
