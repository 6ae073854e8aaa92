"""Verdicts for people and for machines: text as a terminal shows it, and JSON as docs/schemas/verified.json says."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from textwrap import wrap

from charter.dsl.load import Loaded
from charter.dsl.program import Event, Program
from charter.dsl.source import Span
from charter.dsl.syntax.tokens import quoted
from charter.dsl.syntax.tree import Form
from charter.dsl.values import Json, time_text, to_json
from charter.verification.prove.verdicts import Proved, Refuted, Result, Unknown, Vacuous, Verdict
from charter.verification.show.reproduce import test_block
from charter.verification.show.transcript import ANYTHING, Transcript, said, transcript

WIDTH = 105  # of a sentence on a terminal
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


def text(loaded: Loaded, result: Result) -> list[tuple[str, str]]:
    """A result as lines, each with its style: `proved`, `refuted`, `quiet`, … or plain."""
    program = loaded.program
    kind = word(result.verdict)
    where = f"  {result.span}" if result.span else ""
    cites = f"  ({result.cites})" if result.cites else ""
    lines = [(kind, f"{kind:8} {result.name}{where}{cites}")]
    match result.verdict:
        case Proved():
            pass
        case Refuted(events, outcomes) as refuted:
            lines += shown(transcript(program, events, outcomes, result.name, form_of(loaded, result.name)))
            lines += _after(program, refuted, result.name)
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
    searched = sum(result.searched for result in results)
    return f"{path}: {', '.join(counts)}; {searched} questions worked on, {seconds:.1f} s of computing"


def file_of(path: str, span: Span) -> Path:
    """The file that a place of the policy at `path` is in."""
    return (Path(path) if Path(path).is_dir() else Path(path).parent) / span.path


def form_of(loaded: Loaded, goal: str) -> Form | None:
    """A requirement's form as the policy writes it; None of what is built in."""
    written = loaded.names.requirements.get(goal)
    return None if written is None else written.form


def to_json_report(path: str, loaded: Loaded, results: Iterable[Result]) -> dict[str, Json]:
    """What is known of a policy."""
    program = loaded.program
    return {
        "path": path,
        "charter": version("charter"),
        "policy": program.name,
        "digest": program.digest,
        "assumptions": [str(kind) for kind in program.assumptions],
        "results": [_result(loaded, result) for result in results],
    }


def _result(loaded: Loaded, result: Result) -> Json:
    program = loaded.program
    found: dict[str, Json] = {
        "name": result.name,
        "text": result.text,
        "cites": result.cites,
        "at": place_json(result.span),
        "verdict": word(result.verdict),
        "seconds": round(result.seconds, 3),
        "searched": result.searched,
    }
    match result.verdict:
        case Proved(invariants) as proof:
            proofs: list[Json] = [
                {"case": i.case, "invariant": i.text, "over": list(i.columns), "beside": list(i.beside)}
                for i in invariants
            ]
            found |= {"invariants": proofs, "witness": [event_json(program, event) for event in proof.witness]}
        case Refuted(events, outcomes, explored):
            played = transcript(program, events, outcomes, result.name, form_of(loaded, result.name))
            steps: list[Json] = [
                {
                    **event_json(program, event),
                    "rules": [{"rule": fired.rule, "at": place_json(fired.span)} for fired in line.rules],
                    "acts": [act for act, _ in line.acts],
                }
                for event, line in zip(events, played.lines, strict=True)
            ]
            found |= {"why": played.why, "conversation": steps, "explored": explored}
            found["test"] = test_block(program, events, result.name)
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
        clock = f"{line.clock}: " if line.clock else ""
        lines.append(("event", f"  {number:>3}  {clock}{line.said}"))
        width = max((len(fired.rule) for fired in line.rules), default=0)
        lines += [("quiet", f"         rule {fired.rule:<{width}}  {fired.span}") for fired in line.rules]
        for act, words in line.acts:
            lines.append(("act", f"         → {act}" + (f"  “{words}”" if words else "")))
    why = wrap(played.why, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [*lines, *(("refuted", f"       {line}") for line in why)]


def _after(program: Program, refuted: Refuted, goal: str) -> list[tuple[str, str]]:
    """What a reader should know of a counterexample, and the test that plays it."""
    events = refuted.events
    lines = [f"in service, nothing of event {len(events)} is done: the conversation goes to {program.fallback} instead"]
    if any(
        ANYTHING in (value if isinstance(value, tuple) else (value,)) for e in events for value in e.fields.values()
    ):
        lines.append(f"{quoted(ANYTHING)} is any text or id")
    if not refuted.is_shortest:
        known = f", but none of at most {refuted.explored} events" if refuted.explored else ""
        lines.append(f"a shorter conversation may break it too{known}")
    block = test_block(program, events, goal)
    if block is None:
        lines.append("no `test` block can play it")
    return [("quiet", f"       {line}") for line in lines] + [
        ("plain", f"       {line}".rstrip()) for line in ("", *(block or "").split("\n")) if block
    ]
