"""What was found before is a hint: it saves work where it still holds, and can never make a verdict wrong."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from charter.dsl.load import Loaded, load_text
from charter.dsl.program import Event, EventKind
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of
from charter.verification.prove.cache import BLOCK, Cache
from charter.verification.prove.facts import Facts
from charter.verification.prove.hints import Conversation, Hint, confirmed
from charter.verification.prove.machine import Machine, goals_of
from charter.verification.prove.prove import Settings, prove
from charter.verification.prove.pursue import Budget, Holds, Missed, Pursued
from charter.verification.prove.verdicts import Refuted, Result
from charter.verification.show.report import word
from charter.verification.workers import Limits, worked

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter").read_text(encoding="utf-8")
SURER = TEXT.replace(
    "sure and its intent == lost_card\n", "sure and its intent == lost_card and its confidence > 0.6\n"
)
START = Event(EventKind("start"), {"channel": "voice", "language": "en", "caller": None}, 0)
BROKEN = "lost_card_to_the_desk"


def results(text: str, cache: Cache | None) -> dict[str, Result]:
    """The results by name."""
    loaded = load_text(text)
    assert isinstance(loaded, Loaded), str(loaded)
    return {result.name: result for result in prove(loaded.program, Settings(cache=cache))}


def words(found: Mapping[str, Result]) -> dict[str, str]:
    """The verdicts by name."""
    return {name: word(result.verdict) for name, result in found.items()}


@pytest.fixture
def warned() -> list[str]:
    """What the cache complained of; its processes complain to themselves."""
    return []


@pytest.fixture
def cache(tmp_path: Path, warned: list[str]) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "proofs", warned.append)


def test_what_was_found_before_is_found_again_without_a_search(cache: Cache) -> None:
    cold, warm = results(SURER, cache), results(SURER, cache)
    assert cold.keys() == warm.keys()
    for name in cold:
        assert cold[name].verdict == warm[name].verdict
    assert sum(result.searched for result in cold.values()) > 3
    assert sum(result.searched for result in warm.values()) == 0


def test_an_edit_works_anew_only_on_what_it_touched(cache: Cache) -> None:
    before, after = results(TEXT, cache), results(SURER, cache)
    assert words(before)[BROKEN] == "proved"
    assert words(after) == words(results(SURER, None))
    assert words(after)[BROKEN] == "refuted"
    assert words(after)["recording_first"] == "proved"
    assert {name for name, result in after.items() if result.searched} == {BROKEN, "answered"}


def test_a_counterexample_that_is_no_longer_the_shortest_is_not_shown(cache: Cache) -> None:
    later = TEXT.replace("do say opening_hours\n", "do end\n") + "require it\n  say say_again only after utterance\n"
    sooner = later.replace(
        "rule greet   on start  do disclose recording", "rule greet   on start  do disclose recording  say say_again"
    )
    before, after = results(later, cache)["it"].verdict, results(sooner, cache)["it"].verdict
    assert isinstance(before, Refuted)
    assert isinstance(after, Refuted)
    assert (len(before.events), len(after.events)) == (2, 1)


@pytest.mark.parametrize(
    "lie", ["true", "false", "true) (assert false", "true)(define-fun inv () Bool true", "other", "k0 k0"]
)
@pytest.mark.parametrize("kept", [("started",), ("started", "over"), ("nowhere",), ()])
def test_no_invariant_that_is_none_is_taken_for_one(lie: str, kept: tuple[str, ...]) -> None:
    assert taken(SURER, BROKEN, Holds(lie, kept, ())) is None


def test_a_conversation_that_breaks_nothing_is_not_taken_for_one() -> None:
    for events in ((), (START,), (START, START)):
        assert taken(SURER, BROKEN, Conversation(events, (), ())) is None


def test_a_conversation_in_which_time_goes_back_is_not_taken_for_one() -> None:
    found = results(SURER, None)[BROKEN].verdict
    assert isinstance(found, Refuted)
    assert isinstance(taken(SURER, BROKEN, Conversation(found.events, (), ())), Missed)
    last = replace(found.events[-1], now=0)
    assert taken(SURER, BROKEN, Conversation((*found.events[:-1], last), (), ())) is None


def taken(text: str, name: str, hint: Hint) -> Pursued | None:
    """What comes of a hint."""
    loaded = load_text(text)
    assert isinstance(loaded, Loaded)
    program = loaded.program
    machine = Machine(Encoder(program), goals_of(program), Facts())
    goal, budget = machine.goals[name], Budget().path
    return confirmed(machine, program, goal, codes_of(program), budget, hint, shortest=False)


def test_files_that_were_tampered_with_never_make_a_verdict_wrong(cache: Cache) -> None:
    cold = words(results(SURER, cache))
    files = sorted(cache.folder.iterdir())
    kept = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    for file, found in zip(files, kept, strict=True):
        flipped = {"version": found["version"], "kept": found.get("kept", []), "without": [], "invariant": "true"}
        file.write_text(json.dumps(flipped), encoding="utf-8")
    assert words(results(SURER, cache)) == cold


BAD_FILES: dict[str, Callable[[str], str]] = {
    "half of it": lambda text: text[: len(text) // 2],
    "no text": lambda _: "\x00",
    "a list": lambda _: "[]",
    "another shape": lambda text: text.replace('"kept": [', '"kept": 1, "more": ['),
    "another event": lambda text: text.replace('"kind": "start"', '"kind": "begin"'),
    "no time": lambda text: text.replace('"now": ', '"then": '),
}


@pytest.mark.parametrize("bad", BAD_FILES)
def test_a_file_that_cannot_be_read_is_named_and_ignored(cache: Cache, warned: list[str], bad: str) -> None:
    loaded = load_text(TEXT)
    assert isinstance(loaded, Loaded)
    goal = goals_of(loaded.program)[0]
    cache.keep(loaded.program, goal, Conversation((START,), (), ()))
    (file,) = cache.folder.iterdir()
    assert cache.hint(loaded.program, goal) == Conversation((START,), (), ())
    file.write_text(BAD_FILES[bad](file.read_text(encoding="utf-8")), encoding="utf-8")
    assert cache.hint(loaded.program, goal) is None
    (said,) = warned
    assert str(file) in said
    assert "ignored" in said


def test_what_was_not_used_for_the_longest_goes_and_files_of_others_stay(cache: Cache) -> None:
    loaded = load_text(TEXT)
    assert isinstance(loaded, Loaded)
    small = replace(cache, most=4 * BLOCK)
    small.prune()  # there is no folder yet
    goals = goals_of(loaded.program)[:6]
    for age, goal in enumerate(goals):
        before = set(cache.folder.glob("*"))
        cache.keep(loaded.program, goal, Holds("true", (), ()))
        (file,) = set(cache.folder.glob("*")) - before
        os.utime(file, (age, age))
    (cache.folder / "notes.json").write_text("x" * 100_000)
    (cache.folder / f".begun-{'0' * 16}").write_text("x")
    os.utime(cache.folder / f".begun-{'0' * 16}", (0, 0))
    assert small.hint(loaded.program, goals[0]) is not None  # it is of use again
    cache.prune()
    assert len(list(cache.folder.iterdir())) == 7
    small.prune()
    assert [small.hint(loaded.program, goal) is not None for goal in goals] == [True, False, False, False, True, True]
    assert len(list(cache.folder.iterdir())) == 4


def test_a_file_that_cannot_be_written_leaves_nothing_behind(cache: Cache, warned: list[str]) -> None:
    loaded = load_text(TEXT)
    assert isinstance(loaded, Loaded)
    goal = goals_of(loaded.program)[0]
    cache.keep(loaded.program, goal, Holds("true", (), ()))
    (file,) = cache.folder.iterdir()
    file.unlink()
    file.mkdir()
    cache.keep(loaded.program, goal, Holds("true", (), ()))
    assert list(cache.folder.iterdir()) == [file]
    assert len(warned) == 1


def test_processes_that_write_and_prune_at_once_read_only_whole_files(cache: Cache, warned: list[str]) -> None:
    loaded = load_text(TEXT)
    assert isinstance(loaded, Loaded)
    program, goals = loaded.program, goals_of(loaded.program)[:3]
    written = [Holds(letter * 20_000, (), ()) for letter in "ab"]

    def work(hint: Holds) -> list[str]:
        complaints: list[str] = []
        shared = Cache(cache.folder, complaints.append, most=4 * BLOCK)
        for _ in range(100):
            for goal in goals:
                shared.keep(program, goal, hint)
                if shared.hint(program, goal) not in (None, *written):
                    complaints.append("a hint of two")
            shared.prune()
        return complaints

    assert dict(worked(written, work, Limits(jobs=2))) == {hint: [] for hint in written}
    assert all(file.suffix == ".json" for file in cache.folder.iterdir())
    assert not warned


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, warned: list[str]) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    loaded = load_text(TEXT)
    assert isinstance(loaded, Loaded)
    Cache(tmp_path / "taken", warned.append).keep(loaded.program, goals_of(loaded.program)[0], Holds("true", (), ()))
    assert len(warned) == 1
