"""Verdicts as JUnit XML, which continuous integration shows as tests: a suite for each policy, a case for each goal."""

import re
from collections.abc import Iterable
from xml.etree import ElementTree as xml

from charter.dsl.load import Loaded
from charter.verification.prove.verdicts import Proved, Refuted, Result, Unknown, Vacuous
from charter.verification.show.report import file_of, text, word

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(proved: Iterable[tuple[str, Loaded, list[Result]]]) -> str:
    """The document: refuted and vacuous goals are failures with what a terminal shows, undecided ones are errors."""
    root = xml.Element("testsuites", name="charter verify")
    for path, loaded, results in proved:
        kinds = [type(result.verdict) for result in results]
        suite = xml.SubElement(
            root,
            "testsuite",
            name=_clean(f"{path} ({loaded.program.name})"),
            tests=str(len(results)),
            failures=str(kinds.count(Refuted) + kinds.count(Vacuous)),
            errors=str(kinds.count(Unknown)),
            skipped="0",
            time=_seconds(sum(result.seconds for result in results)),
        )
        for result in results:
            suite.append(_case(path, loaded, result))
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def _case(path: str, loaded: Loaded, result: Result) -> xml.Element:
    case = xml.Element("testcase", name=result.name, classname=loaded.program.name, time=_seconds(result.seconds))
    if result.span is not None:
        case.set("file", _clean(file_of(path, result.span).as_posix()))
        case.set("line", str(result.span.line))
    if not isinstance(result.verdict, Proved):
        found = xml.SubElement(case, "error" if isinstance(result.verdict, Unknown) else "failure")
        found.set("type", word(result.verdict))
        found.set("message", _clean(result.text))
        found.text = _clean("\n".join(line for _, line in text(loaded, result)))
    return case


def _clean(text: str) -> str:
    """The text without what XML cannot hold."""
    return _NOT_XML.sub("�", text)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
