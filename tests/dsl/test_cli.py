"""The command line as a user runs it: output, exit codes, and JSON that its schemas describe."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from charter.cli import main

ROOT = Path(__file__).parent.parent.parent
SEVEN_RULES = ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter"
CARD_SUPPORT = str(SEVEN_RULES)


def charter(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, args, input=stdin, catch_exceptions=False)


def fits(value: object, schema: str) -> None:
    jsonschema.validate(value, json.loads((ROOT / "docs" / "schemas" / f"{schema}.json").read_text()))


def lines(*events: dict[str, object]) -> str:
    for event in events:
        fits(event, "recorded_event")
    return "\n".join(json.dumps(event) for event in events) + "\n"


@pytest.fixture
def broken_policy(tmp_path: Path) -> str:
    file = tmp_path / "policy.charter"
    file.write_text(
        "policy p\n  languages en\n  fallback queue general\nqueue general within 30 s\nrule a on start doo say x\n"
    )
    return str(file)


def test_check_says_that_a_policy_is_fine() -> None:
    result = charter("check", CARD_SUPPORT)
    assert (result.exit_code, "fine" in result.stdout) == (0, True)
    found = json.loads(charter("check", "--json", CARD_SUPPORT).stdout)
    fits(found, "checked")
    assert found[0]["fine"]


def test_check_shows_a_mistake_with_its_line_a_caret_and_help_and_exits_2(broken_policy: str) -> None:
    result = charter("check", broken_policy)
    assert result.exit_code == 2
    assert "policy.charter:5:17" in result.stderr
    assert "rule a on start doo say x" in result.stderr
    assert "^" in result.stderr
    assert "help: did you mean `do`?" in result.stderr
    found = json.loads(charter("check", "--json", broken_policy).stdout)
    fits(found, "checked")
    assert not found[0]["fine"]


def test_check_warns_of_what_is_never_used_and_exits_1(tmp_path: Path) -> None:
    file = tmp_path / "policy.charter"
    text = SEVEN_RULES.read_text()
    file.write_text(text + '\nprompt unsaid { en "Well."  de "Nun." }\n')
    result = charter("check", str(file))
    assert result.exit_code == 1
    assert "warning[CH050]: prompt `unsaid` is never said" in result.stderr
    assert "1 warning" in result.stdout


def test_check_of_a_missing_file_is_a_diagnostic_not_a_traceback(tmp_path: Path) -> None:
    result = charter("check", str(tmp_path / "none.charter"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_test_plays_the_tests_and_says_what_they_do_not_reach() -> None:
    result = charter("test", CARD_SUPPORT)
    assert result.exit_code == 0
    assert "not reached" in result.stdout
    fits(json.loads(charter("test", "--json", CARD_SUPPORT).stdout), "tested")


def test_a_failed_expectation_exits_1_and_says_what_was_done(tmp_path: Path) -> None:
    text = SEVEN_RULES.read_text()
    file = tmp_path / "policy.charter"
    file.write_text(text + '\ntest "wrong"\n  on start\n  expect escalate general\n')
    result = charter("test", str(file))
    assert result.exit_code == 1
    assert "`escalate general` was not done; the acts were `disclose recording`, `say how_can_i_help`" in result.stdout


def test_run_decides_recorded_events_and_shows_what_was_implied() -> None:
    events = lines(
        {"event": "start", "channel": "chat", "language": "de", "caller": "+491"},
        {"event": "utterance", "text": "Karte weg"},
        {"event": "utterance", "text": "hallo?"},
        {"event": "escalate_failure", "queue": "general"},
    )
    result = charter("run", CARD_SUPPORT, "--json", "--events", "-", stdin=events)
    decided = [json.loads(line) for line in result.stdout.splitlines()]
    for line in decided:
        fits(line, "decided")
    assert result.exit_code == 0
    assert [act["name"] for act in decided[0]["acts"]] == ["recording", "how_can_i_help"]
    assert decided[2]["waits"]
    assert decided[2]["implied"][0]["event"] == {"kind": "classify fails", "fields": {"reason": "late"}}
    assert decided[3]["acts"][0]["act"] == "end"


def test_run_says_what_an_attempt_would_break() -> None:
    events = lines({"event": "start"}, {"event": "attempt", "act": "say say_again"})
    assert charter("run", CARD_SUPPORT, "--events", "-", stdin=events).exit_code == 0
    first = charter(
        "run", CARD_SUPPORT, "--json", "--events", "-", stdin='{"event": "attempt", "act": "say say_again"}'
    )
    decided = json.loads(first.stdout)
    fits(decided, "decided")
    assert first.exit_code == 1
    assert decided["broken"][0]["requirement"] == "recording_first"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 1: no JSON"),
        ("[]", 'an event is an object with a text under "event"'),
        ('{"event": "stert"}', "unknown event 'stert'"),
        ('{"event": "start", "chanel": "voice"}', "unknown field `chanel`"),
        ('{"event": "start", "channel": "fax"}', "line 1.channel: 'fax' is no `Channel`"),
        ('{"event": "utterance"}', "field `text` is missing"),
        ('{"event": "suggestion", "agent": "nobody", "fields": {}}', "no agent 'nobody'"),
        ('{"event": "suggestion", "agent": "classify", "fields": {"intent": "x", "confidence": 1}}', "is no `Intent`"),
        (
            '{"event": "suggestion", "agent": "classify", "fields": {"intent": "human", "confidence": 1.5}}',
            "1.5 is no `decimal(4) 0..1`",
        ),
        ('{"event": "suggestion", "agent": "classify", "fields": {}, "more": 1}', "unknown field `more`"),
        ('{"event": "silence", "at": "yesterday"}', "no RFC 3339 time"),
        ('{"event": "silence", "at": "2026-01-01T00:00:00"}', "does not say its offset"),
        ('{"event": "silence", "at": "9000-01-01T00:00:00Z"}', "lies in the years 1970 to 8999"),
        ('{"event": "silence", "at": "0001-01-01T00:00:00+01:00"}', "lies outside the years 1 to 9999, UTC"),
        ('{"event": "attempt", "act": "sey hello"}', "is no act"),
    ],
)
def test_a_line_that_is_no_event_is_refused_by_name_and_decides_nothing(line: str, says: str) -> None:
    result = charter("run", CARD_SUPPORT, "--json", "--events", "-", stdin=line + "\n")
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


def test_fmt_lays_out_once_and_check_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "policy.charter"
    text = "policy p   languages en fallback queue general\nqueue general within 30 s # desk\n"
    file.write_text(text)
    assert charter("fmt", "--check", str(file)).exit_code == 1
    assert file.read_text() == text
    assert charter("fmt", str(file)).exit_code == 0
    assert "# desk" in file.read_text()
    again = charter("fmt", "--check", "--json", str(tmp_path))
    assert (again.exit_code, json.loads(again.stdout)) == (0, {"changed": [], "written": False})


def test_fmt_of_a_file_with_mistakes_changes_nothing(broken_policy: str) -> None:
    before = Path(broken_policy).read_text()
    assert charter("fmt", broken_policy).exit_code == 2
    assert Path(broken_policy).read_text() == before


def test_graph_draws_svg_and_mermaid() -> None:
    assert charter("graph", CARD_SUPPORT).stdout.startswith("<svg")
    assert charter("graph", "--mermaid", CARD_SUPPORT).stdout.startswith("flowchart")
    assert set(json.loads(charter("graph", "--json", CARD_SUPPORT).stdout)) == {"svg", "mermaid"}


def test_explain_says_what_a_code_means_and_refuses_others() -> None:
    assert "CH021" in charter("explain", "ch021").stdout
    refused = charter("explain", "CH999")
    assert refused.exit_code == 2
    assert "there is no code" in refused.stderr


def test_a_tool_argument_named_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.charter"
    file.write_text("tool t(reason: id) returns { ok: bool } reads within 1 s\n")
    assert "carries `reason` already" in charter("check", str(file)).stderr
