"""From text to words: the first pass over a policy file. It never fails; what it cannot read it reports and skips."""

import re
import unicodedata
from dataclasses import dataclass

from charter.dsl.diagnostics import Code, Diagnostic
from charter.dsl.source import Source, Span


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
    | (?P<time>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?)?)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<known>known(?:==|!=|<=|>=|<|>))
    | (?P<word>built-in(?![\w-])|[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol>\.\.|==|!=|<=|>=|[-+*<>=(){},:;.?])
    | (?P<quoted>[“”„‟«»][^“”„‟«»"\n]*[“”„‟«»"])
    | (?P<open>"[^\n]*)
    | (?P<foreign>[^\W\d]\w*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "{": "\\{", "}": "\\}"}


def tokenize(source: Source) -> tuple[list[Word], list[Comment], list[Diagnostic]]:
    """The words of a file, the last of kind end; its comments; and what could not be read."""
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
        if kind == "comment":
            comments.append(Comment(text.rstrip(), len(words), first, line))
            continue
        column = match.start() - start_of_line + 1
        span = Span(source.path, line, column, line, column + len(text))
        if kind in ("quoted", "open", "foreign", "other"):
            found.append(_unreadable(kind, text, span))
            if kind in ("foreign", "other"):
                continue
            kind, text = "string", '"' + text[1:].rstrip('“”„‟«»"\r') + '"'
        words.append(Word(kind, text, span, first))
        first = False
    end = Span(source.path, line, len(source.text) - start_of_line + 1, line, len(source.text) - start_of_line + 2)
    words.append(Word("end", "", end, True))
    return words, comments, found


def unquoted(text: str) -> str:
    """What a string token says: quotes off, escapes resolved; `\\{` and `\\}` stay for the slots' reader."""
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text[1:-1], flags=re.DOTALL)


def quoted(text: str) -> str:
    """The string token that says `text`: the inverse of `unquoted`."""
    out = re.sub(r"\\(?![{}])", r"\\\\", text).replace('"', '\\"')
    return '"' + out.replace("\n", "\\n").replace("\t", "\\t") + '"'


def _unreadable(kind: str, text: str, span: Span) -> Diagnostic:
    match kind:
        case "quoted":
            return Diagnostic(Code.CHARACTER, "typographic quotes do not open a text", span, 'write `"` around it')
        case "open":
            return Diagnostic(Code.CHARACTER, "this text is not closed on its line", span, 'end it with `"`')
        case "foreign":
            help_ = "names have the letters a to z, digits and `_`; texts in quotes may have any"
            return Diagnostic(Code.CHARACTER, f"`{text}` has letters that names do not have", span, help_)
        case _:
            name = unicodedata.name(text, f"U+{ord(text):04X}").lower()
            if text == "\ufeff":
                return Diagnostic(Code.CHARACTER, "a byte order mark", span, "save the file as UTF-8 without BOM")
            if text.isspace():
                return Diagnostic(Code.CHARACTER, f"a {name} is no space here", span, "replace it by a plain space")
            if not text.isprintable():
                return Diagnostic(Code.CHARACTER, f"a character that is no text ({name})", span, "remove it")
            return Diagnostic(Code.CHARACTER, f"`{text}` ({name}) means nothing in a policy", span)
