"""Texts with slots: what is said in each language, and the reasons and notes that rules give."""

import re
from collections.abc import Callable, Iterator

from charter.dsl import program as p
from charter.dsl.diagnostics import Code, did_you_mean
from charter.dsl.lower.findings import Findings
from charter.dsl.lower.names import Names, Parameters
from charter.dsl.program import ActKind, Expr, Slot, Speech
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.tokens import unescaped
from charter.dsl.types import Type

_SLOT = re.compile(r"(?P<escaped>\\.)|\{(?P<name>[^{}]*)\}|(?P<stray>[{}])", re.DOTALL)


def speech_of(names: Names, findings: Findings) -> dict[tuple[ActKind, str], Speech]:
    """Every disclosure and prompt, each with a text in every language of the policy."""
    return {key: _speech(clause, params, names, findings) for key, (clause, params) in names.speech.items()}


def slot_names(text: s.String) -> Iterator[str]:
    """What stands in the slots of a text."""
    return (match["name"] for match in _SLOT.finditer(text.raw) if match["name"] is not None)


def template(text: s.String, slot: Callable[[str], Expr | None], known: list[str], findings: Findings) -> Expr:
    """A reason or note whose slots are read by `slot`."""
    parts = _parts(text, findings)
    done: list[str | Expr] = []
    for part in parts:
        if isinstance(part, str):
            done.append(part)
            continue
        value = slot(part.name)
        if value is None:
            help_ = did_you_mean(part.name, known)
            findings.error(Code.TEXT, f"`{{{part.name}}}` is no field of the event and no fact", text.span, help_)
        else:
            done.append(value)
    return p.Text(tuple(done))


def _speech(clause: s.Speech, params: Parameters, names: Names, findings: Findings) -> Speech:
    what = "disclosure" if clause.kind == "disclose" else "prompt"
    texts: dict[str, tuple[str | Slot, ...]] = {}
    for language, text in clause.texts:
        if not names.languages:
            continue  # reported at the policy clause
        if language.text not in names.languages:
            help_ = did_you_mean(language.text, names.languages)
            findings.error(Code.TEXT, f"the policy has no language `{language.text}`", language.span, help_)
        elif language.text in texts:
            findings.error(Code.DUPLICATE, f"`{language.text}` stands twice", language.span)
        else:
            texts[language.text] = _parts(text, findings)
            _check_slots(text, texts[language.text], params.fields, findings)
    for missing in (language for language in names.languages if language not in texts):
        message = f"{what} `{clause.name.text}` has no text in `{missing}`"
        findings.error(Code.TEXT, message, clause.name.span, f'add `{missing} "…"`')
    return Speech(ActKind(clause.kind), clause.name.text, params.fields, texts)


def _check_slots(
    text: s.String, parts: tuple[str | Slot, ...], slots: tuple[tuple[str, Type], ...], findings: Findings
) -> None:
    declared = [name for name, _ in slots]
    used = {part.name for part in parts if isinstance(part, Slot)}
    unknown = sorted(used - set(declared))
    for name in unknown:
        help_ = did_you_mean(name, declared) or f"declare it: `({name}: …)` after the name"
        findings.error(Code.TEXT, f"`{{{name}}}` is no slot of this text", text.span, help_)
    for name in declared:
        if name not in used and not unknown:
            findings.error(Code.TEXT, f"the text leaves out `{{{name}}}`", text.span, "every text has every slot")


def _parts(text: s.String, findings: Findings) -> tuple[str | Slot, ...]:
    """The text cut at its slots; `\\{` is a brace."""
    parts: list[str | Slot] = []
    plain, at = "", 0
    for match in _SLOT.finditer(text.raw):
        plain += text.raw[at : match.start()]
        at = match.end()
        escaped, name, stray = match.groups()
        if escaped:
            plain += unescaped(escaped)
        elif stray:
            findings.error(Code.TEXT, f"a `{stray}` stands alone", text.span, f"write `\\{stray}` for a brace")
        elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            findings.error(Code.TEXT, f"`{{{name}}}` is no slot: it holds one name", text.span)
        else:
            parts += [plain, Slot(name)] if plain else [Slot(name)]
            plain = ""
    plain += text.raw[at:]
    return (*parts, plain) if plain else tuple(parts)
