"""Every policy example in the documentation loads, and its tests pass."""

import re
from pathlib import Path

import pytest

from charter.dsl.load import Loaded, Rejected, load_text
from charter.dsl.rehearse import rehearse

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
