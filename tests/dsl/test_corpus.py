"""The corpus: policies that must load, and mistakes with what their authors are told.

`python tests/dsl/test_corpus.py --bless` writes the good policies in their canonical layout, and beside each bad one
the diagnostics that it gives now. The changes are reviewed like code.
"""

import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from charter.dsl.diagnostics import Code, render
from charter.dsl.load import MAIN, Loaded, Rejected, load
from charter.dsl.rehearse import rehearse
from charter.dsl.source import Source
from charter.dsl.syntax import tree
from charter.dsl.syntax.format import Unreadable, format_document
from charter.dsl.syntax.parse import parse

CORPUS = Path(__file__).parent.parent / "corpus"
GOOD, BAD = CORPUS / "good", CORPUS / "bad"


def policies(folder: Path) -> list[Path]:
    """The policies of a folder by feature: files, and folders with a main file."""
    return sorted([*folder.glob("*/*.charter"), *(main.parent for main in folder.glob(f"*/*/{MAIN}"))])


def told(policy: Path) -> str:
    """What the author of a policy is told."""
    result = load(policy)
    return "\n\n".join(render(diagnostic, result.sources) for diagnostic in result.diagnostics) + "\n"


def expected(policy: Path) -> Path:
    """The file that says what the author must be told."""
    return policy.parent / f"{policy.stem}.txt"


def named(policy: Path) -> str:
    return policy.relative_to(CORPUS).as_posix()


def formatted(file: Path) -> str:
    text = format_document(parse(Source(file.name, file.read_text(encoding="utf-8"))))
    assert not isinstance(text, Unreadable), text
    return text


def test_the_corpus_has_cases() -> None:
    assert len(policies(GOOD)) >= 10
    assert len(policies(BAD)) >= 40
    blessed = {expected(policy) for policy in policies(BAD)}
    assert set(BAD.rglob("*.txt")) == blessed, "an expectation without a policy"


@pytest.mark.parametrize("policy", policies(GOOD), ids=named)
def test_a_good_policy_loads(policy: Path) -> None:
    result = load(policy)
    assert isinstance(result, Loaded), str(result)


@pytest.mark.parametrize("policy", policies(GOOD), ids=named)
def test_the_tests_of_a_good_policy_pass(policy: Path) -> None:
    result = load(policy)
    assert isinstance(result, Loaded)
    for scenario in result.scenarios:
        failures = rehearse(result.program, scenario).failures
        assert not failures, [(scenario.title, str(failure.span), failure.message) for failure in failures]


@pytest.mark.parametrize("file", sorted(GOOD.rglob("*.charter")), ids=named)
def test_a_good_file_has_the_canonical_layout(file: Path) -> None:
    assert formatted(file) == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("policy", policies(BAD), ids=named)
def test_a_bad_policy_is_told_what_is_wrong(policy: Path) -> None:
    assert told(policy) == expected(policy).read_text(encoding="utf-8")


def test_every_code_has_a_bad_policy() -> None:
    told_of = "".join(file.read_text(encoding="utf-8") for file in BAD.rglob("*.txt"))
    assert not [code.number for code in Code if f"[{code.number}]" not in told_of]


@pytest.mark.parametrize("policy", policies(BAD), ids=named)
def test_a_message_is_one_lower_case_sentence_without_python(policy: Path) -> None:
    for diagnostic in load(policy).diagnostics:
        texts = [diagnostic.message, *(related.message for related in diagnostic.related)]
        for text in texts:
            assert not text[:1].isupper(), text
            assert not text.endswith("."), text
            assert "\n" not in text, text
            assert not any(word in text for word in ("Type(", "object", "None", "charter.", "Token")), text


def test_every_construct_of_the_language_is_in_a_good_policy() -> None:
    nodes = {value for value in vars(tree).values() if isinstance(value, type) and is_dataclass(value)}
    marks = {"", "fails", "uncertain", "heard", "cut", "timer", "collected", "collect fails", "escalated"}
    wanted = {node.__name__ for node in nodes} - {"Span"} | {f"event {mark}" for mark in {*marks, "escalate fails"}}
    wanted |= {f"act {kind}" for kind in ("disclose", "say", "collect", "ask", "call", "note", "escalate", "end")}
    seen: set[str] = set()
    for file in GOOD.rglob("*.charter"):
        seen |= set(constructs(parse(Source(file.name, file.read_text(encoding="utf-8"))).document))
    assert not wanted - seen


def constructs(node: object) -> Iterator[str]:
    """What a tree is made of: kinds of node, marks of events, kinds of act."""
    if isinstance(node, tuple):
        for item in node:
            yield from constructs(item)
    elif is_dataclass(node):
        yield type(node).__name__
        if isinstance(node, tree.EventRef):
            yield f"event {node.mark}"
        if isinstance(node, tree.ActRef):
            yield f"act {node.kind}"
        for field in fields(node):
            yield from constructs(getattr(node, field.name))


def bless() -> None:
    """Writes what the corpus gives now."""
    for file in GOOD.rglob("*.charter"):
        file.write_text(formatted(file), encoding="utf-8")
    for policy in policies(BAD):
        result = load(policy)
        assert result.diagnostics or isinstance(result, Rejected), f"{named(policy)} has no mistake"
        expected(policy).write_text(told(policy), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--bless"]:
        sys.exit("usage: python tests/dsl/test_corpus.py --bless")
    bless()
