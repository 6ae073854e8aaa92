"""Every policy example in the documentation loads, its tests pass, and its requirements are what it says they are."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from charter.dsl.load import Loaded, Rejected, load, load_text
from charter.dsl.program import STEP_CHECKS
from charter.dsl.rehearse import rehearse
from charter.dsl.syntax.tree import Form, Whenever
from charter.verification.prove.prove import Settings, prove
from charter.verification.show.report import word

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def examples() -> list[tuple[str, str]]:
    """Where each example stands, and its text, completed by the page's first policy unless it is one itself."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        whole = ""
        for match in re.finditer(r"^```charter\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            example = match[1]
            line = text.count("\n", 0, match.start()) + 1
            if example.lstrip().startswith("policy "):
                whole = whole or example
            else:
                example = f"{whole}\n{example}"
            found.append((f"{page.relative_to(ROOT)}:{line}", example))
    return found


def test_the_pages_have_examples() -> None:
    assert len(examples()) >= 10


@pytest.mark.parametrize(("where", "text"), examples(), ids=[where for where, _ in examples()])
def test_an_example_loads_and_its_tests_pass(where: str, text: str) -> None:
    loaded = load_text(text)
    assert isinstance(loaded, Loaded), f"{where}\n{loaded if isinstance(loaded, Rejected) else ''}"
    for scenario in loaded.scenarios:
        failures = rehearse(loaded.program, scenario).failures
        assert not failures, f"{where}: {scenario.title}: {[f.message for f in failures]}"


def test_what_is_said_of_card_support_is_so() -> None:
    folder = ROOT / "rules" / "card_support"
    loaded = load(folder)
    assert isinstance(loaded, Loaded)
    rules, requirements = len(loaded.program.rules), len(loaded.program.requirements)
    front, own = (" ".join((place / "README.md").read_text(encoding="utf-8").split()) for place in (ROOT, folder))
    assert f"has {rules} rules and {requirements} requirements" in front
    assert f"what the policy requires, {requirements} requirements and {len(STEP_CHECKS)} checks" in front
    assert f"{rules} rules, {requirements} requirements, {len(loaded.scenarios)} tests" in own


STATED = re.compile(r"^require (\w+) .*# (proved|refuted|vacuous|unknown)$", re.MULTILINE)


def judged() -> list[tuple[str, str, dict[str, str]]]:
    """The examples that say what comes out, with that."""
    found = [(where, text, dict(STATED.findall(text))) for where, text in examples()]
    return [each for each in found if each[2]]


@pytest.mark.parametrize(("where", "text", "stated"), judged(), ids=[where for where, _, _ in judged()])
def test_a_requirement_is_what_the_example_says(where: str, text: str, stated: dict[str, str]) -> None:
    loaded = load_text(text)
    assert isinstance(loaded, Loaded)
    assert set(stated) == set(loaded.names.requirements), f"{where}: a requirement without its verdict"
    asked = replace(loaded.program, requirements=tuple(r for r in loaded.program.requirements if r.name in stated))
    verdicts = {result.name: word(result.verdict) for result in prove(asked, Settings())}
    assert {name: verdicts[name] for name in stated} == stated


def test_every_form_has_a_proved_and_a_refuted_example() -> None:
    found: dict[str, set[tuple[type, str]]] = {"proved": set(), "refuted": set()}
    for _, text, stated in judged():
        loaded = load_text(text)
        assert isinstance(loaded, Loaded)
        for name, verdict in stated.items():
            form = loaded.names.requirements[name].form
            deadline = form.deadline if isinstance(form, Whenever) else ""
            found.setdefault(verdict, set()).add((type(form), deadline))
    forms = {(form, "") for form in Form.__args__ if form is not Whenever}
    forms |= {(Whenever, deadline) for deadline in ("in this turn", "next", "before end")}
    assert found["proved"] >= forms
    assert found["refuted"] >= forms
