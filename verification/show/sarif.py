"""Verdicts as SARIF 2.1.0, which code hosts show beside the clauses that they are about.

A run for each policy, a rule for each goal, a result for each goal that is not proved. The code flow of a result is the
conversation, over the rules that fired.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from charter.dsl.load import MAIN, Loaded
from charter.dsl.source import Span
from charter.dsl.syntax.wrap import form_lines
from charter.dsl.values import Json
from charter.verification.prove.verdicts import Proved, Refuted, Result, Unknown, Vacuous
from charter.verification.show.report import file_of, form_of, word
from charter.verification.show.reproduce import test_block
from charter.verification.show.transcript import Transcript, transcript

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
WIDTH = 100


def to_sarif(proved: Iterable[tuple[str, Loaded, list[Result]]]) -> dict[str, Json]:
    """The log of some policies at their paths; places are relative to where the command runs, if they are in there."""
    runs: list[Json] = [_Run(path, loaded).of(results) for path, loaded, results in proved]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


@dataclass(frozen=True, slots=True)
class _Run:
    """One policy: where it is, and what it says."""

    path: str
    loaded: Loaded

    def of(self, results: list[Result]) -> Json:
        found: list[Json] = [
            self._result(result, i) for i, result in enumerate(results) if not isinstance(result.verdict, Proved)
        ]
        rules: list[Json] = [self._rule(result) for result in results]
        return {
            "tool": {"driver": {"name": "charter verify", "semanticVersion": version("charter"), "rules": rules}},
            "automationDetails": {"id": f"charter verify {self.path}/"},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {ROOT: {"description": {"text": "where the command ran"}}},
            "results": found,
        }

    def _rule(self, result: Result) -> Json:
        form = form_of(self.loaded, result.name)
        cites = f"Cites {result.cites}." if result.cites else ""
        written = "\n".join(form_lines(form, WIDTH)) if form is not None else ""
        plain = "\n".join(part for part in (_sentence(result.text), cites, written) if part)
        marked = "\n\n".join(
            part for part in (_escaped(_sentence(result.text)), _escaped(cites), _fenced(written)) if part
        )
        return {
            "id": result.name,
            "shortDescription": {"text": result.text},
            "fullDescription": {"text": _sentence(result.text)},
            "help": {"text": plain, "markdown": marked},
            "defaultConfiguration": {"level": "error"},
            "properties": {"tags": ["policy", "proof"]},
        }

    def _result(self, result: Result, index: int) -> Json:
        verdict = result.verdict
        found: dict[str, Json] = {
            "ruleId": result.name,
            "ruleIndex": index,
            "level": "error" if isinstance(verdict, Refuted) else "warning",
            "partialFingerprints": {"goal/v1": sha256(f"{self.path}\0{result.name}".encode()).hexdigest()},
        }
        match verdict:
            case Refuted(events, outcomes):
                played = transcript(
                    self.loaded.program, events, outcomes, result.name, form_of(self.loaded, result.name)
                )
                where = result.span or next((f.span for line in reversed(played.lines) for f in line.rules), None)
                block = test_block(self.loaded.program, events, result.name)
                test = f"\n\nThe test that plays it:\n\n{block}" if block else ""
                found["message"] = {"text": f"Refuted: {played.why}.{test}"}
                found["codeFlows"] = [self._flow(verdict, played, where)]
            case Vacuous(why):
                where = result.span
                found["message"] = {"text": f"Vacuous: nothing can break this, since {why}."}
            case Unknown(why):
                where = result.span
                found["message"] = {"text": f"Unknown, so not proved: {why}."}
            case Proved():
                raise ValueError(f"{result.name} is proved")
        found["locations"] = [{"physicalLocation": self._place(where)}]
        return {**found, "properties": {"verdict": word(verdict)}}

    def _flow(self, refuted: Refuted, played: Transcript, broken: Span | None) -> Json:
        """A location for each rule that fired, or for the event that none fires on; last, what is broken."""
        steps: list[tuple[Span | None, str]] = []
        for number, line in enumerate(played.lines, 1):
            said = f"event {number}: {line.said}"
            for fired in line.rules:
                acts = ", ".join(fired.acts) or "no act"
                steps.append((fired.span, f"{said}; rule {fired.rule}: {acts}"))
            if not line.rules:
                steps.append((None, f"{said}; no rule fires"))
        steps.append((broken, played.why))
        locations: list[Json] = [
            {"location": {"physicalLocation": self._place(span), "message": {"text": words}}, "executionOrder": i}
            for i, (span, words) in enumerate(steps, 1)
        ]
        return {
            "message": {"text": f"a {'shortest ' if refuted.is_shortest else ''}conversation that breaks it"},
            "threadFlows": [{"locations": locations}],
        }

    def _place(self, span: Span | None) -> dict[str, Json]:
        """A place in a file; what has none in the policy is at its head."""
        policy = self.loaded.names.policy
        span = span or (policy.span if policy else Span(MAIN, 1, 1, 1, 1))
        file = file_of(self.path, span).resolve()
        region: dict[str, Json] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }
        if file.is_relative_to(Path.cwd()):
            artifact: dict[str, Json] = {"uri": quote(file.relative_to(Path.cwd()).as_posix()), "uriBaseId": ROOT}
        else:
            artifact = {"uri": file.as_uri()}
        return {"artifactLocation": artifact, "region": region}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _escaped(text: str) -> str:
    """Text as Markdown that says just that."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|<>~&" else c for c in text)


def _fenced(text: str) -> str:
    return f"```\n{text}\n```" if text else ""
