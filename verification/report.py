"""Verdicts for people and for machines: text as a terminal shows it, and JSON as docs/schemas/verified.json says."""

from collections.abc import Iterable

from charter.dsl.load import Loaded
from charter.dsl.program import Event, Program
from charter.dsl.source import Span
from charter.dsl.values import Json, time_text, to_json
from charter.verification.reproduce import test_block
from charter.verification.transcript import Transcript, said, transcript
from charter.verification.verdicts import Proved, Refuted, Result, Unknown, Vacuous, Verdict

HOLDS, FAILS, UNDECIDED = 0, 1, 3  # exit codes; 2 is a policy that does not load


def exit_code(results: Iterable[Result]) -> int:
    """0 where all is proved, 1 where something is refuted or vacuous, else 3."""
    verdicts = [result.verdict for result in results]
    if any(isinstance(v, Refuted | Vacuous) for v in verdicts):
        return FAILS
    return UNDECIDED if any(isinstance(v, Unknown) for v in verdicts) else HOLDS


def word(verdict: Verdict) -> str:
    """The verdict in a word."""
    match verdict:
        case Proved():
            return "proved"
        case Refuted():
            return "refuted"
        case Vacuous():
            return "vacuous"
        case Unknown():
            return "unknown"


def text(program: Program, result: Result) -> list[tuple[str, str]]:
    """A result as lines, each with its style: `proved`, `refuted`, `quiet`, … or plain."""
    kind = word(result.verdict)
    where = f"  {result.span}" if result.span else ""
    cites = f"  ({result.cites})" if result.cites else ""
    lines = [(kind, f"{kind:8} {result.name}{where}{cites}")]
    match result.verdict:
        case Proved():
            pass
        case Refuted(events, outcomes):
            lines += shown(transcript(program, events, outcomes, result.name))
            lines += _test(program, events, result.name)
        case Vacuous(why):
            lines.append(("plain", f"  nothing can break it: {why}"))
        case Unknown(why, explored):
            lines.append(("plain", f"  not decided: {why}"))
            if explored:
                lines.append(("plain", f"  no conversation of at most {explored} events breaks it"))
    return lines


def summary(path: str, results: Iterable[Result]) -> str:
    """How many of each verdict, and how long it took."""
    results = list(results)
    words = [word(result.verdict) for result in results]
    counts = [f"{words.count(each)} {each}" for each in ("proved", "refuted", "vacuous", "unknown") if each in words]
    seconds = sum(result.seconds for result in results)
    return f"{path}: {', '.join(counts)}; {seconds:.1f} s of computing"


def to_json_report(path: str, loaded: Loaded, results: Iterable[Result]) -> dict[str, Json]:
    """What is known of a policy."""
    program = loaded.program
    return {
        "path": path,
        "policy": program.name,
        "digest": program.digest,
        "assumptions": [str(kind) for kind in program.assumptions],
        "results": [_result(program, result) for result in results],
    }


def _result(program: Program, result: Result) -> Json:
    found: dict[str, Json] = {
        "name": result.name,
        "text": result.text,
        "cites": result.cites,
        "at": place_json(result.span),
        "verdict": word(result.verdict),
        "seconds": round(result.seconds, 3),
    }
    match result.verdict:
        case Proved(invariants, witness):
            proofs: list[Json] = [
                {"case": i.case, "invariant": i.text, "over": list(i.columns), "beside": list(i.beside)}
                for i in invariants
            ]
            found |= {"invariants": proofs, "witness": [event_json(program, event) for event in witness]}
        case Refuted(events, outcomes):
            played = transcript(program, events, outcomes, result.name)
            steps: list[Json] = [
                {
                    **event_json(program, event),
                    "rules": [{"rule": name, "at": place_json(span)} for name, span in line.rules],
                    "acts": [act for act, _ in line.acts],
                }
                for event, line in zip(events, played.lines, strict=True)
            ]
            found |= {"why": played.why, "conversation": steps, "test": test_block(program, events, result.name)}
        case Vacuous(why):
            found |= {"why": why}
        case Unknown(why, explored):
            found |= {"why": why, "explored": explored}
    return found


def event_json(program: Program, event: Event) -> dict[str, Json]:
    """An event of a conversation."""
    types = dict(program.events[event.kind].fields)
    fields: dict[str, Json] = {name: to_json(value, types[name]) for name, value in event.fields.items()}
    return {"event": str(event.kind), "fields": fields, "at": time_text(event.now), "said": said(program, event)}


def place_json(span: Span | None) -> Json:
    """A place in a policy."""
    return None if span is None else {"file": span.path, "line": span.line}


def shown(played: Transcript) -> list[tuple[str, str]]:
    """A transcript as lines, each with its style."""
    lines: list[tuple[str, str]] = []
    for number, line in enumerate(played.lines, 1):
        lines.append(("event", f"  {number:>3}  {line.said}"))
        width = max((len(rule) for rule, _ in line.rules), default=0)
        lines += [("quiet", f"         rule {rule:<{width}}  {span}") for rule, span in line.rules]
        for act, words in line.acts:
            lines.append(("act", f"         → {act}" + (f"  “{words}”" if words else "")))
    return [*lines, ("refuted", f"       {played.why}")]


def _test(program: Program, events: tuple[Event, ...], goal: str) -> list[tuple[str, str]]:
    block = test_block(program, events, goal)
    if block is None:
        return []
    return [("plain", ""), *(("quiet", f"       {line}") for line in block.split("\n"))]
