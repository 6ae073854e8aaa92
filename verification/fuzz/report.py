"""What fuzzing found and reached, for people and for machines (docs/schemas/fuzzed.json)."""

from collections.abc import Iterable, Iterator

from charter.dsl.diagnostics import Severity
from charter.dsl.load import Loaded
from charter.dsl.lower.findings import Findings
from charter.dsl.program import Event, Program
from charter.dsl.rehearse import rehearse
from charter.dsl.scenarios import EPOCH, PACE, scenarios_of
from charter.dsl.source import Source
from charter.dsl.syntax.parse import parse
from charter.dsl.syntax.tree import Test
from charter.dsl.values import Json
from charter.verification.fuzz.pieces import Fuzzed, Shown
from charter.verification.fuzz.play import Fault
from charter.verification.fuzz.reach import branches_of
from charter.verification.show.report import event_json, form_of, place_json, shown
from charter.verification.show.reproduce import written
from charter.verification.show.transcript import said, transcript

FINE, FOUND = 0, 1  # exit codes; 2 is a policy that does not load


def text(path: str, loaded: Loaded, result: Fuzzed) -> Iterator[tuple[str, str]]:
    """Lines, each with its style, as `verify` has them."""
    for each in result.found:
        yield "refuted", f"found    {each.finding.fault}: {each.finding.name}"
        yield from _conversation(loaded, each)
        if not each.replays:
            yield "refuted", "       it does not come again from the beginning: an executor is not deterministic"
        block = test_block(loaded, each)
        if block is not None:
            yield "plain", ""
            yield from (("quiet", f"       {line}") for line in block.split("\n"))
    found = f"{len(result.found)} found" if result.found else "nothing found"
    yield (
        "plain",
        f"{path}: {result.steps:,} steps in {result.conversations:,} conversations, seed {result.seed}: {found}",
    )
    yield from (("plain", f"  {line}") for line in _reached(loaded.program, result))


def to_json_report(path: str, loaded: Loaded, result: Fuzzed) -> dict[str, Json]:
    """The same as JSON."""
    program, reached = loaded.program, result.reached
    branches = branches_of(program)
    return {
        "path": path,
        "policy": program.name,
        "digest": program.digest,
        "seed": result.seed,
        "steps": result.steps,
        "conversations": result.conversations,
        "findings": [_finding(loaded, each) for each in result.found],
        "rules": {
            "reached": len(reached.rules),
            "all": len(program.rules),
            "unreached": [rule for rule in program.rules if rule not in reached.rules],
        },
        "branches": {
            "reached": len(reached.branches),
            "all": len(branches),
            "unreached": [{"rule": rule, "on": kind} for rule, kind in sorted(branches - reached.branches)],
        },
        "requirements": [
            {
                "name": requirement.name,
                "triggered": requirement.name in reached.triggered,
                "served": requirement.name in reached.served,
                "broken": requirement.name in reached.broken,
            }
            for requirement in program.requirements
        ],
    }


def test_block(loaded: Loaded, each: Shown) -> str | None:
    """The test block that plays it, once it has been played; None where the meaning alone does not show it.

    A block can expect a requirement to be broken. Any other safe stop makes the block fail until it is mended.
    """
    if each.finding.fault not in (Fault.BROKEN, Fault.STOPPED):
        return None
    lines = [f'test "{each.finding.name} is broken"', *_moves(loaded.program, each.events)]
    if each.finding.fault is Fault.BROKEN:
        lines.append(f"  expect broken {each.finding.name}")
    block = "\n".join(lines)
    return block if _plays(loaded, block, each) else None


def _moves(program: Program, events: Iterable[Event]) -> Iterator[str]:
    now = EPOCH
    for event in events:
        if event.now > now:
            yield f"  wait {event.now - now} ms"
        yield f"  on {written(program, event)}"
        now = event.now + PACE


def _plays(loaded: Loaded, block: str, each: Shown) -> bool:
    """Whether the block, as the policy would have it, shows the finding."""
    parsed = parse(Source("test", block + "\n"))
    findings = Findings()
    tests = [clause for clause in parsed.document.clauses if isinstance(clause, Test)]
    scenarios = scenarios_of(loaded.names, loaded.program, findings, tests)
    if parsed.diagnostics or any(d.severity is Severity.ERROR for d in findings.all) or len(scenarios) != 1:
        return False
    rehearsed = rehearse(loaded.program, scenarios[0])
    broken = {broken.requirement for step in rehearsed.steps for broken in step.outcome.broken}
    return each.finding.name in broken and bool(rehearsed.failures) is (each.finding.fault is Fault.STOPPED)


def _conversation(loaded: Loaded, each: Shown) -> Iterator[tuple[str, str]]:
    """The conversation up to what was found, and what that is."""
    steps = each.steps
    last = next(
        (i for i, s in enumerate(steps) if any(b.requirement == each.finding.name for b in s.outcome.broken)), -1
    )
    if each.finding.fault in (Fault.BROKEN, Fault.STOPPED) and last >= 0:
        events, outcomes = zip(*((step.event, step.outcome) for step in steps[: last + 1]), strict=True)
        goal = each.finding.name
        yield from shown(transcript(loaded.program, events, outcomes, goal, form_of(loaded, goal)))
        return
    for number, event in enumerate(each.events, 1):
        yield "event", f"  {number:>3}  {said(loaded.program, event)}"
    yield "refuted", f"       {each.finding.detail}"


def _reached(program: Program, result: Fuzzed) -> Iterator[str]:
    reached, branches = result.reached, branches_of(program)
    names = [requirement.name for requirement in program.requirements]
    triggered = [name for name in names if name in reached.triggered]
    served = [name for name in names if name in reached.served]
    yield (
        f"rules reached {len(reached.rules)} of {len(program.rules)}, "
        f"branches {len(reached.branches)} of {len(branches)}; "
        f"requirements triggered {len(triggered)} of {len(names)}, served {len(served)}"
    )
    for rule, info in program.rules.items():
        missing = sorted(kind for name, kind in branches - reached.branches if name == rule)
        if missing:
            yield f"not reached: {info.span} rule {rule} on {', '.join(missing)}"
    for name in names:
        if name not in reached.triggered:
            yield f"not triggered: requirement {name}"
        elif name not in reached.served:
            yield f"not served: requirement {name}"


def _finding(loaded: Loaded, each: Shown) -> dict[str, Json]:
    program = loaded.program
    return {
        "fault": str(each.finding.fault),
        "name": each.finding.name,
        "detail": each.finding.detail,
        "replays": each.replays,
        "conversation": [
            {
                **event_json(program, step.event),
                "rules": [{"rule": r, "at": place_json(program.rules[r].span)} for r in step.outcome.fired],
                "implied": step.implied,
            }
            for step in each.steps
        ],
        "test": test_block(loaded, each),
    }
