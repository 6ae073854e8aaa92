"""Conversations in which requirements matter are come across by playing, short, and nothing is believed unplayed."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from charter.dsl.load import Loaded, load, load_text
from charter.dsl.program import Event, EventKind, Program
from charter.verification.fuzz.aim import Causes
from charter.verification.prove.cache import Cache
from charter.verification.prove.conversation import Replayed, replayed
from charter.verification.prove.hints import Conversation
from charter.verification.prove.machine import goal_of
from charter.verification.prove.prove import Settings, prove, proved, subject_of
from charter.verification.prove.trigger import occasions, with_probe
from charter.verification.prove.verdicts import Proved, Vacuous
from charter.verification.prove.witnesses import witnesses
from charter.verification.workers import Limits

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter").read_text(encoding="utf-8")
NEVER = TEXT + "\ntool nothing(of: id)  returns {}  reads  within 1 s\nrequire seldom  call nothing only if false\n"
START = Event(EventKind("start"), {"channel": "voice", "language": "en", "caller": None}, 0)


def program_of(text: str) -> Program:
    """The program of a text."""
    loaded = load_text(text)
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded.program


@pytest.mark.parametrize("of", ["tests/corpus/good/whole/seven_rules.charter", "rules/card_support"])
def test_what_is_come_across_is_what_the_requirement_is_about(of: str) -> None:
    loaded = load(ROOT / of)
    assert isinstance(loaded, Loaded)
    program, seen = loaded.program, witnesses(loaded.program, None).occasions
    every = {(r.name, o.number): o.probe for r in program.requirements for way in occasions(program, r) for o in way}
    assert seen.keys() == every.keys()
    for (name, number), events in seen.items():
        found = replayed(with_probe(program, every[name, number]), events, name)
        assert isinstance(found, Replayed)
        assert found.events == events
        assert len(events) <= 16  # three wrong answers take 14


def test_no_solver_is_asked_for_what_was_come_across() -> None:
    program = program_of(TEXT)
    subject = subject_of(program, Settings())
    results = [each for each in proved(subject, Limits()) if each.span and isinstance(each.verdict, Proved)]
    assert {each.searched for each in results} == {1}


@pytest.mark.parametrize(
    ("failing", "facts", "played"), [("inductive._looked", False, True), ("prove.witnesses", True, False)]
)
def test_no_verdict_depends_on_what_is_found_beforehand(
    monkeypatch: pytest.MonkeyPatch, failing: str, facts: bool, played: bool
) -> None:
    program = program_of(TEXT)
    verdicts = {(each.name, type(each.verdict)) for each in proved(subject_of(program, Settings()), Limits())}
    monkeypatch.setattr(f"charter.verification.prove.{failing}", lambda *_, **__: 1 / 0)
    subject = subject_of(program, Settings())
    assert (bool(subject.facts.clauses), bool(subject.met.occasions)) == (facts, played)
    assert {(each.name, type(each.verdict)) for each in proved(subject, Limits())} == verdicts


def test_what_lies_deep_is_aimed_at() -> None:
    program = program_of(deep(links=9, beside=60))
    [occasion] = chain.from_iterable(occasions(program, program.requirements[0]))
    aim = Causes(program).of(occasion.probe.watches)
    assert (aim.kinds, aim.variables) == ({"start", "wants"}, {f"got{i}" for i in range(9)})
    assert [event.fields["what"] for event in witnesses(program, None).occasions["deep", 0][1:]] == [*range(10)]


def deep(*, links: int, beside: int) -> str:
    """A policy in which one thing leads to the next, and others to nothing."""
    lines = ["policy deep", "  languages en", "  fallback queue general", "queue general  within 30 s"]
    lines += ['prompt hello { en "Hello." }', "rule hello on start or utterance or keys or silence do say hello"]
    lines += ['prompt done { en "Done." }', "event wants { what: int 0..99 }", "event other { what: int 0..99 }"]
    lines += [f"fact got{i}: bool = false" for i in range(links)]
    lines += [f"fact beside{i}: bool = false" for i in range(beside)]
    for i in range(links):
        before = f" and got{i - 1}" if i else ""
        lines.append(f"rule link{i} on wants when its what == {i}{before} do set got{i} = true")
    lines += [f"rule beside{i} on other when its what == {i} do set beside{i} = true" for i in range(beside)]
    lines.append(f"rule last on wants when its what == {links} and got{links - 1} do say done")
    return "\n".join([*lines, f"require deep  say done only if got{links - 1}", ""])


def test_what_never_comes_is_left_to_the_solver() -> None:
    program = program_of(NEVER)
    assert not any(name == "seldom" for name, _ in witnesses(program, None).occasions)
    verdicts = {result.name: result.verdict for result in prove(program, Settings())}
    assert isinstance(verdicts["seldom"], Vacuous)


def test_a_remembered_conversation_is_played_again_before_it_counts(tmp_path: Path) -> None:
    program, cache = program_of(NEVER), Cache(tmp_path, pytest.fail)
    seldom = next(r for r in program.requirements if r.name == "seldom")
    ((occasion,),) = occasions(program, seldom)
    cache.keep(program, goal_of(program, occasion.probe), Conversation((START,), (), ()))
    assert ("seldom", 0) not in witnesses(program, cache).occasions


def test_what_is_remembered_is_not_looked_for_again(tmp_path: Path) -> None:
    program, cache = program_of(TEXT), Cache(tmp_path, pytest.fail)
    later = {
        occasion: tuple(replace(event, now=event.now + 5_000) for event in events)
        for occasion, events in witnesses(program, None).occasions.items()
    }
    for requirement in program.requirements:
        for occasion in chain.from_iterable(occasions(program, requirement)):
            events = later[requirement.name, occasion.number]
            cache.keep(program, goal_of(program, occasion.probe), Conversation(events, (), ()))
    assert witnesses(program, cache).occasions == later
