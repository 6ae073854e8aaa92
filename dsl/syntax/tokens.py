"""From text to words: the first pass over a policy file. It never fails; what it cannot read it reports and skips."""

import re
import unicodedata
from dataclasses import dataclass, replace

from charter.dsl.diagnostics import Code, Diagnostic
from charter.dsl.source import Source, Span

MAX_FOUND = 100  # what cannot be read in one file is reported so often
_PLAIN = frozenset({"time", "number", "string", "known", "word", "symbol"})


@dataclass(frozen=True, slots=True)
class Word:
    """One token. `kind`: word, number, string, time, known or symbol; for the end of the file, end."""

    kind: str
    text: str
    span: Span
    first: bool  # the first of its line


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, and the index of the next word."""

    text: str
    before: int
    own_line: bool
    line: int


_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\f\v]+)
    | (?P<line>\n)
    | (?P<comment>\#[^\n]*)
    | (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}
        (?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)
    | (?P<number>[0-9]+(?:\.[0-9]+)?)
    | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<known>known(?:==|!=|<=|>=|<|>))
    | (?P<word>built-in(?![\w-])|[^\W\d]\w*)
    | (?P<symbol>\.\.|==|!=|<=|>=|[-+*<>=(){},:;.?])
    | (?P<quoted>[“”„‟«»][^“”„‟«»"\n]*[“”„‟«»"])
    | (?P<lines>"(?:[^"\\\n]|\\[^\n])*\\?\n(?:[^"\n]*\n){0,8}?[^"\n]*"(?=[^"\n]*(?:\n|\Z)))
    | (?P<open>"[^\n]*)
    | (?P<apostrophes>'[^'\n]*')
    | (?P<slashes>//[^\n]*|/\*)
    | (?P<sign>&&?|\|\|?|!)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES = {"n": "\n", "t": "\t"}
_QUOTES = "“”„‟«»"
_SPELLED = {"&": "and", "|": "or", "!": "not"}  # of signs of other languages
_HIDDEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")  # what a reader does not see


def tokenize(source: Source) -> tuple[list[Word], list[Comment], list[Diagnostic]]:
    """The words of a file, the last of kind end; its comments; and what could not be read, up to `MAX_FOUND`."""
    words: list[Word] = []
    comments: list[Comment] = []
    found: list[Diagnostic] = []
    line, start_of_line, first = 1, 0, True
    for match in _TOKEN.finditer(source.text):
        kind, text = match.lastgroup or "other", match.group()
        if kind == "space":
            continue
        if kind == "line":
            line, start_of_line, first = line + 1, match.end(), True
            continue
        column = match.start() - start_of_line + 1
        span = Span(source.path, line, column, line, column + len(text))
        if kind in _PLAIN and text.isascii() and text.isprintable():
            words.append(Word(kind, text, span, first))
            first = False
            continue
        if "\n" in text:
            line, start_of_line = line + text.count("\n"), match.start() + text.rindex("\n") + 1
            span = replace(span, end_line=line, end_column=match.end() - start_of_line + 1)
        unreadable = _unreadable(kind, text, span)
        found += [unreadable] if unreadable is not None else []
        if len(found) >= MAX_FOUND:
            found.append(Diagnostic(Code.CHARACTER, "and so on: this may be no policy file", span))
            break
        if kind == "comment":
            comments.append(Comment(text.rstrip(), len(words), first, span.line))
            continue
        meant = _meant(kind, text)
        if meant is not None:
            words.append(Word(*meant, span, first))
            first = False
    column = len(source.text) - source.text.rfind("\n")
    line = source.text.count("\n") + 1
    words.append(Word("end", "", Span(source.path, line, column, line, column + 1), True))
    return words, comments, found


def unescaped(raw: str) -> str:
    """What stands between quotes, its escapes resolved: `\\n` and `\\t`; any other character stands for itself."""
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), raw, flags=re.DOTALL)


def quoted(text: str) -> str:
    """A string token that says `text`."""
    out = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + out.replace("\n", "\\n").replace("\t", "\\t") + '"'


def _meant(kind: str, text: str) -> tuple[str, str] | None:
    """The kind and text of the word that is read instead of an unreadable one; None where it is left out."""
    match kind:
        case "string" | "word":
            return kind, text
        case "quoted" | "apostrophes" | "open":
            inner = text[1:].rstrip(_QUOTES + "'\"\r").replace("\\", "").replace('"', "")
            return "string", f'"{inner}"'
        case "lines":
            return "string", '""'
        case "sign":
            return "word", _SPELLED[text[0]]
        case _:
            return None


def _unreadable(kind: str, text: str, span: Span) -> Diagnostic | None:
    """What is wrong with a token, if anything."""
    match kind:
        case "string" | "comment":
            hidden = _HIDDEN.search(text)
            message = f"a character that readers do not see ({_called(hidden[0])})" if hidden else None
            help_ = "remove it: what a policy shows is what it says"
        case "word":
            odd = next((c for c in text if not c.isascii()), None)
            message = f"`{text}` has a letter that names do not have: `{odd}` ({_called(odd)})" if odd else None
            help_ = "names have the letters a to z, digits and `_`; texts in quotes may have any letter"
        case "quoted":
            message, help_ = "typographic quotes do not open a text", 'write `"` before and after it'
        case "apostrophes":
            message, help_ = "apostrophes do not open a text", 'write `"` before and after it'
        case "lines":
            message, help_ = "a text ends on its line", "write it on one line; `\\n` in it begins a new line"
        case "open":
            message, help_ = "this text is not closed on its line", 'end it with `"`'
        case "slashes":
            message, help_ = f"`{text[:2]}` does not begin a comment", "write `#`"
        case "sign":
            message, help_ = f"`{text}` means nothing in a policy", f"write `{_SPELLED[text[0]]}`"
        case _:
            message, help_ = _unreadable_character(text)
    return None if message is None else Diagnostic(Code.CHARACTER, message, span, help_)


def _unreadable_character(text: str) -> tuple[str, str]:
    if text == "\ufeff":
        return "a byte order mark stands here", "save the file as UTF-8 without BOM"
    if text.isspace():
        return f"a {_called(text)} does not separate words", "write a plain space instead"
    if not text.isprintable():
        return f"a character that is no text ({_called(text)})", "remove it"
    if text in _QUOTES + "‘’‚‛`":
        return f"`{text}` does not open a text", 'write `"` before and after it'
    return f"`{text}` ({_called(text)}) means nothing in a policy", "remove it, or put it into a text in quotes"


def _called(character: str) -> str:
    return unicodedata.name(character, "").lower() or f"U+{ord(character):04X}"
