"""What `charter verify --json` wrote, read back: results again, each counterexample played anew."""

import re
from collections.abc import Mapping
from importlib.metadata import version

from charter.dsl.program import STEP_CHECKS, Event, EventKind, Program
from charter.dsl.values import Json, Misfit, parse_time, record_from_json
from charter.verification.prove.conversation import Replayed, replayed
from charter.verification.prove.machine import goals_of
from charter.verification.prove.verdicts import Invariant, Proved, Refuted, Result, Unknown, Vacuous, Verdict


def results_of(program: Program, reports: Json) -> list[Result]:
    """The results on exactly this policy, by this version; raises `Misfit` with what is wrong."""
    entries = [_object(each, "a report") for each in _list(reports, "the file")]
    entry = next((each for each in entries if each.get("digest") == program.digest), None)
    if entry is None:
        raise Misfit(f"it is not about this text of the policy, whose digest is {program.digest}: verify it again")
    if entry.get("charter") != version("charter"):
        raise Misfit(f"Charter {entry.get('charter')} wrote it, and this is {version('charter')}: verify again")
    found = {}
    for each in _list(entry.get("results"), "`results`"):
        result = _object(each, "a result")
        found[_text(result, "name")] = result
    wanted = [goal.name for goal in goals_of(program)]
    if set(found) != set(wanted):
        raise Misfit(f"it is not about every requirement: {', '.join(sorted(set(found) ^ set(wanted)))}")
    return [_result(program, name, found[name]) for name in wanted]


def _result(program: Program, name: str, json: Mapping[str, Json]) -> Result:
    """What it is about is taken from the policy, not from the file."""
    verdict, seconds = _verdict(program, name, json), _seconds(json)
    about = next((each for each in program.requirements if each.name == name), None)
    if about is None:
        return Result(name, STEP_CHECKS[name], None, None, verdict, seconds)
    return Result(name, about.text, about.cites, about.span, verdict, seconds)


def _verdict(program: Program, name: str, result: Mapping[str, Json]) -> Verdict:
    match result.get("verdict"):
        case "proved":
            proofs = tuple(_invariant(_object(i, "an invariant")) for i in _list(result.get("invariants"), name))
            witness = _events(program, result.get("witness"), name)
            return Proved(proofs, ((0, witness),) if witness else ())
        case "refuted":
            events = _events(program, result.get("conversation"), name)
            played = replayed(program, events, name)
            if not isinstance(played, Replayed) or played.events != events:
                raise Misfit(f"`{name}`: the conversation does not break it")
            return Refuted(played.events, played.outcomes, _explored(result))
        case "vacuous":
            return Vacuous(_text(result, "why"))
        case "unknown":
            return Unknown(_text(result, "why"), _explored(result))
        case other:
            raise Misfit(f"`{name}`: {other!r} is no verdict")


def _invariant(json: Mapping[str, Json]) -> Invariant:
    columns, beside = _list(json.get("over"), "`over`"), _list(json.get("beside"), "`beside`")
    return Invariant(_text(json, "case"), _text(json, "invariant"), tuple(map(str, columns)), tuple(map(str, beside)))


def _events(program: Program, json: Json, where: str) -> tuple[Event, ...]:
    return tuple(_event(program, _object(each, where), where) for each in _list(json, f"`{where}`"))


def _event(program: Program, json: Mapping[str, Json], where: str) -> Event:
    kind = EventKind(_text(json, "event"))
    if kind not in program.events:
        raise Misfit(f"`{where}`: the policy has no event `{kind}`")
    fields = record_from_json(json.get("fields"), program.events[kind].fields, f"`{where}`: {kind}")
    at = _text(json, "at")
    beyond = re.fullmatch(r"(-?\d+) ms", at)  # a time outside the calendar
    return Event(kind, fields, int(beyond[1]) if beyond else parse_time(at, f"`{where}`: {kind}"))


def _object(json: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(json, Mapping):
        raise Misfit(f"{where} is no object")
    return json


def _list(json: Json, where: str) -> list[Json]:
    if not isinstance(json, list):
        raise Misfit(f"{where} has no list")
    return json


def _text(json: Mapping[str, Json], name: str) -> str:
    value = json.get(name)
    if not isinstance(value, str):
        raise Misfit(f"`{name}` is no text")
    return value


def _explored(json: Mapping[str, Json]) -> int:
    value = json.get("explored")
    if isinstance(value, bool) or not isinstance(value, int):
        raise Misfit("`explored` is no whole number")
    return value


def _seconds(json: Mapping[str, Json]) -> float:
    value = json.get("seconds")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misfit("`seconds` is no number")
    return float(value)
