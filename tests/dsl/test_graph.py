"""The pictures of a policy: everything is in them, nothing lies on anything else, and every text fits its box."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from texts import CORPUS

from charter.dsl.load import Loaded, load, load_text
from charter.dsl.picture.drawing import CHAR, PAGE
from charter.dsl.picture.graph import mermaid, svg
from charter.dsl.picture.panels import panels
from charter.dsl.program import Program

SVG = "{http://www.w3.org/2000/svg}"
POLICIES = sorted([*(CORPUS / "good").glob("*/*.charter"), *(p.parent for p in CORPUS.glob("good/*/*/policy.charter"))])
STRATA = CORPUS / "good" / "rules" / "overrides_and_strata.charter"


def program_of(path: Path) -> Program:
    loaded = load(path)
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded.program


def many_rules(count: int) -> Program:
    """Rules on one event, a third of them in a chain of facts, with overrides among the others."""
    lines = ["policy many languages en fallback queue general queue general within 30 s", 'prompt hi { en "Hello." }']
    lines += [f"fact f{i}: int 0..9 = 0" for i in range(count)]
    for i in range(count):
        when = f" when f{i - 3} > 1" if i % 3 == 0 and i else ""
        overrides = f" overrides r{i - 1}" if i % 7 == 5 else ""
        lines.append(f"rule r{i}{overrides} on utterance{when} do {f'set f{i} = 1  ' if i % 3 == 0 else ''}say hi")
    loaded = load_text("\n".join(lines))
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded.program


def boxes(group: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Corners of the boxes of a panel: left, top, right, bottom."""
    found = []
    for rect in group.iter(f"{SVG}rect"):
        if rect.get("class") in ("rule", "fact"):
            x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_every_rule_is_in_both_pictures(path: Path) -> None:
    program = program_of(path)
    drawn, charted = svg(program), mermaid(program)
    for rule in program.rules:
        assert f">{rule}</text>" in drawn
        assert f"<b>{rule}</b>" in charted


@pytest.mark.parametrize("program", [*map(program_of, POLICIES), many_rules(60)], ids=lambda p: p.name)
def test_nothing_overlaps_and_every_text_fits(program: Program) -> None:
    root = ElementTree.fromstring(svg(program))
    groups = [g for g in root.findall(f"{SVG}g") if g.get("transform")]
    assert len(groups) == len(panels(program))
    panels_at = []
    for group in groups:
        x, y = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
        frame = next(rect for rect in group.iter(f"{SVG}rect") if rect.get("class") == "panel")
        width, height = float(frame.get("width", "")), float(frame.get("height", ""))
        panels_at.append((x, y, x + width, y + height))
        inside = boxes(group)
        assert all(left >= 0 and right <= width and bottom <= height for left, _, right, bottom in inside)
        assert_apart(inside)
        for text in group.iter(f"{SVG}text"):
            size = 8.0 if text.get("class") == "title" else CHAR
            assert float(text.get("x", "")) + len(text.text or "") * size <= width + 1
    assert_apart(panels_at)
    assert float(root.get("width", "")) >= max((right for _, _, right, _ in panels_at), default=0)


def assert_apart(rects: list[tuple[float, float, float, float]]) -> None:
    for i, (left, top, right, bottom) in enumerate(rects):
        for other_left, other_top, other_right, other_bottom in rects[i + 1 :]:
            assert right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top


def test_strata_facts_and_overrides_are_shown() -> None:
    program = program_of(STRATA)
    (panel,) = [p for p in panels(program) if p.title == "utterance"]
    assert [[box.name for box in stratum] for stratum in panel.strata] == [["count"], ["warn", "special"], ["usual"]]
    assert ("count", "calls") in panel.writes
    assert ("calls", "warn") in panel.reads
    assert panel.overrides == (("special", "usual"),)
    drawn = svg(program)
    assert drawn.count('class="edge overrides"') == 2  # one is in the legend
    assert "stratum 3" in drawn


def test_events_on_which_the_same_happens_share_a_panel() -> None:
    program = program_of(CORPUS / "good" / "sample" / "card_support.charter")
    titles = [panel.title for panel in panels(program)]
    assert "escalate general fails, escalate fraud_desk fails, escalate complaints fails" in titles


def test_a_mermaid_chart_names_each_node_once() -> None:
    charted = mermaid(program_of(STRATA))
    nodes = re.findall(r"^ +(\w+)[\[(]", charted, re.MULTILINE)
    assert len(nodes) == len(set(nodes))
    assert charted.startswith("flowchart LR\n")
    assert charted.count("subgraph") == charted.count("\n    end") + charted.count("\n  end")


def test_a_long_name_is_cut_with_the_whole_in_its_tooltip() -> None:
    name = "a" * 60
    loaded = load_text(
        "policy p languages en fallback queue general queue general within 30 s\n"
        f'prompt {name} {{ en "Hello." }}\nrule greet on start do say {name}\n'
    )
    assert isinstance(loaded, Loaded)
    drawn = svg(loaded.program)
    assert f"say {name}</title>" in drawn
    assert f">say {name}</text>" not in drawn
    assert float(ElementTree.fromstring(drawn).get("width", "")) <= PAGE
