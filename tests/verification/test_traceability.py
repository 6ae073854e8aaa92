"""The report: what it says of each citation, the same each time, and that no text of a policy breaks out."""

import hashlib
import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from charter.cli import main
from charter.dsl.load import Loaded, load_text
from charter.verification.prove.prove import Settings
from charter.verification.prove.verdicts import Result
from charter.verification.show.commands import verified
from charter.verification.show.report import to_json_report
from charter.verification.show.traceability import Traceability, touching, traceability
from charter.verification.show.traceability_pages import to_html, to_markdown

CITES = "§ 1 <script>alert(1)</script> | `x` **b**"
POLICY = f"""
policy desk
  languages en, de
  fallback queue general
queue general within 30 s
enum Intent {{ pay, other }}
agent guess suggests {{ intent: Intent }} within 300 ms
tool find(caller: id) returns {{ owner: id }} reads within 1 s
assume find returns its owner == its caller
disclosure notice {{ en "Notice."  de "Hinweis." }}
prompt hello {{ en "Hello."  de "Hallo." }}
fact owner: id?
define owned = owner is known
rule greet on start do disclose notice say hello
rule look on keys do call find(caller: its digits)
rule found on find do set owner = its owner say hello
rule hear on utterance do ask guess
rule pay on guess when its intent == pay do say hello
rule other on guess when its intent == other and owner is known do escalate general
rule quiet on silence or guess fails or find fails do say hello
rule nobody on escalate any fails do end because "nobody"
require first "<img src=x onerror=alert(1)>" cites "Reg. 1"
  disclose notice before say any
require owner_known cites "{CITES}"
  escalate general only if owner is known
require once "```" cites "Reg. 1"
  disclose notice once
require unpaid
  never disclose notice if owned and guess.intent known== pay
"""


PROVED = """
policy desk
  languages en
  fallback queue general
queue general within 30 s
disclosure notice { en "Notice." }
prompt hello { en "Hello." }
rule greet on start do disclose notice say hello
rule hear on utterance or silence or keys do say hello
require first cites "Reg. 1"
  disclose notice before say any
"""


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    found = load_text(POLICY)
    assert isinstance(found, Loaded), str(found)
    return found


@pytest.fixture(scope="module")
def results(loaded: Loaded) -> list[Result]:
    return verified(loaded, Settings(), show=lambda *_: None)


@pytest.fixture(scope="module")
def matrix(loaded: Loaded, results: list[Result]) -> Traceability:
    return traceability("desk", loaded, results, day=date(2026, 11, 25), source="proved for this report")


def test_rows_are_grouped_by_what_they_cite_and_the_uncited_come_last(matrix: Traceability) -> None:
    assert [(cites, [row.name for row in rows]) for cites, rows in matrix.cited] == [
        ("Reg. 1", ["first", "once"]),
        (CITES, ["owner_known"]),
        (None, ["unpaid"]),
    ]
    assert [row.name for row in matrix.built_in][-1] == "answered"
    verdicts = {row.name: row.verdict for row in matrix.rows}
    assert (verdicts["first"], verdicts["once"], verdicts["unpaid"]) == ("proved", "proved", "proved")
    assert verdicts["answered"] == "refuted"  # an intent `other` of an unknown owner
    assert dict(matrix.counts)["refuted"] == matrix.open


def test_the_rules_of_a_requirement_are_those_that_do_it_or_set_what_it_reads(loaded: Loaded) -> None:
    of = {each.name: touching(loaded.program, each) for each in loaded.program.requirements}
    assert of["owner_known"] == ("found", "other")
    assert of["once"] == ("greet",)
    assert of["unpaid"] == ("greet", "found", "hear")
    assert of["first"] == ("greet", "found", "pay", "quiet")


class _Page(HTMLParser):
    """What a page is made of: its tags and attributes, its text, and whether tags are closed in order."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_self_contained_and_holds_hostile_texts_as_texts(matrix: Traceability) -> None:
    page = _Page()
    page.feed(to_html(matrix))
    assert page.open == []
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {"src", "onerror", "style"} & names
    assert all(value and value.startswith("#") for name, value in page.attributes if name == "href")
    anchors = {value for name, value in page.attributes if name == "id"}
    assert {str(value)[1:] for name, value in page.attributes if name == "href"} <= anchors
    assert "<img src=x onerror=alert(1)>" in page.text
    assert CITES in page.text
    style = to_html(matrix).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "@media print" in style
    assert "prefers-color-scheme: dark" in style


def test_each_printed_page_names_the_policy_and_the_signature_stands_on_one(matrix: Traceability) -> None:
    page = to_html(matrix)
    style = page.split("<style>")[1].split("</style>")[0]
    assert f'@bottom-left {{ content: "{matrix.policy}, {matrix.day}, {matrix.digest}"' in style
    assert "counter(page)" in style
    assert "tr, .signature { break-inside: avoid; }" in style
    (signature,) = re.findall(r'<section class="signature">(.*?)</section>', page, re.DOTALL)
    assert "I have read the requirements above" in signature
    assert matrix.digest in signature
    assert ('id="open" class="part"' in page) is (matrix.open > 0) is True


def test_the_page_says_what_was_proved_of_what_and_what_was_not(matrix: Traceability, loaded: Loaded) -> None:
    page = _Page()
    page.feed(to_html(matrix))
    for wanted in (
        loaded.program.digest,
        "2026-11-25",
        "find returns its owner == its caller",
        "escalate general only if owner is known",
        "never disclose notice if owned and guess.intent known== pay\nwhere owned = owner is known",
        "What is not proved",
        "Signature",
        "event 3 closes the turn, but what the customer began it with was not answered",
        f"Not proved, and known to me: {matrix.open} of {len(matrix.rows)}",
    ):
        assert wanted in page.text, wanted


def test_markdown_says_the_same_and_no_text_becomes_markup(matrix: Traceability) -> None:
    text = to_markdown(matrix)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    html = {child.content for child in inline if child.type == "html_inline"}
    assert html <= {"<br>"}
    assert not [token for token in tokens if token.type == "html_block"]
    assert not [child for child in inline if child.type in ("link_open", "image")]
    shown = "".join(child.content for child in inline if child.type in ("text", "text_special", "code_inline"))
    assert "<img src=x onerror=alert(1)>" in shown
    assert CITES.replace("|", "") in shown.replace("|", "")
    tables = [token for token in tokens if token.type == "table_open"]
    assert len(tables) == 4
    headings = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[1] == "From citation to verdict"
    assert headings[-1] == "Signature"


def test_a_report_from_a_file_is_the_same_each_time_and_names_its_source(
    loaded: Loaded, results: list[Result], tmp_path: Path
) -> None:
    policy, file = tmp_path / "policy.charter", tmp_path / "verified.json"
    policy.write_text(POLICY, encoding="utf-8")
    file.write_text(json.dumps([to_json_report("desk", loaded, results)]), encoding="utf-8")
    command = ["report", str(policy), "--verified", str(file), "--date", "2026-11-25"]
    first, second = (CliRunner().invoke(main, command) for _ in range(2))
    assert first.exit_code == 1, first.output
    assert first.stdout == second.stdout
    assert "proofs were not checked again" in first.stdout
    for name, more in (("report.md", []), ("report.txt", ["--markdown"])):  # the name says it, or the option
        file = tmp_path / "out" / name
        written = CliRunner().invoke(main, [*command, *more, "-o", str(file)])
        assert (written.exit_code, written.stdout) == (1, "")
        assert file.read_text(encoding="utf-8").startswith("# desk: ")


def test_a_report_remembers_what_was_found_unless_it_is_not_to(tmp_path: Path) -> None:
    policy, cache = tmp_path / "policy.charter", tmp_path / "cache"
    policy.write_text(PROVED, encoding="utf-8")
    command = ["report", str(policy), "--date", "2026-11-25", "--cache", str(cache)]
    without = CliRunner().invoke(main, [*command, "--no-cache"])
    assert (without.exit_code, cache.exists()) == (0, False)
    cold, warm = (CliRunner().invoke(main, command) for _ in range(2))
    assert list(cache.glob("*.json"))
    assert without.stdout == cold.stdout == warm.stdout


def test_a_report_checks_its_certificate_and_refuses_one_that_does_not_hold(tmp_path: Path) -> None:
    policy, held = tmp_path / "policy.charter", tmp_path / "certificate.json"
    policy.write_text(PROVED, encoding="utf-8")
    assert CliRunner().invoke(main, ["verify", str(policy), "--certificate", str(held)]).exit_code == 0
    command = ["report", str(policy), "--certificate", str(held)]
    run = CliRunner().invoke(main, command)
    assert run.exit_code == 0, run.output
    assert f"{hashlib.sha256(held.read_bytes()).hexdigest()}</code>, checked for this report" in run.stdout
    assert "no certificate" not in run.stdout
    policy.write_text(PROVED.replace("Notice.", "Note."), encoding="utf-8")
    run = CliRunner().invoke(main, command)
    assert run.exit_code == 2
    assert "does not certify this policy" in run.stderr


@pytest.mark.parametrize(("text", "says"), [("{", "is no JSON"), ("[]", "verify it again"), ("[" * 100_000, "no JSON")])
def test_a_file_that_verify_did_not_write_is_refused(text: str, says: str, tmp_path: Path) -> None:
    policy, file = tmp_path / "policy.charter", tmp_path / "verified.json"
    policy.write_text(POLICY, encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    run = CliRunner().invoke(main, ["report", str(policy), "--verified", str(file)])
    assert run.exit_code == 2
    assert says in run.stderr
    assert "Traceback" not in run.output
