"""From words to the syntax tree, one clause at a time. It never raises: every mistake becomes a diagnostic.

The words are given to the LALR tables one by one, so that a word is a keyword only where one can stand, and so that
one mistake does not hide the next: a clause with a mistake is mended where one word mends it, else it is
skipped up to the next line that begins a clause.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from charter.dsl.diagnostics import Code, Diagnostic, did_you_mean
from charter.dsl.source import Source, Span
from charter.dsl.syntax import tree
from charter.dsl.syntax.build import Build
from charter.dsl.syntax.stack import Stack
from charter.dsl.syntax.tables import END, Tables, tables
from charter.dsl.syntax.tokens import MAX_FOUND, Comment, Word, tokenize

MAX_DEPTH = 64
_UNITS = frozenset({"ms", "s", "min", "minute", "minutes", "h", "hour", "hours", "day", "days"})
_SPOKEN = {
    "NAME": "a name",
    "STRING": "a text in quotes",
    "NUMBER": "a number",
    "TIME": "a date",
    "UNIT": "a unit of time",
    "KNOWN_OP": "`known==`",
}
_CLOSERS = {"(": ")", "{": "}"}
_MENDS = (")", "}", ":", ",", "do", "=", "on", "{", "(")  # a word that may be missing, in the order of trying
_HINTS = {
    ";": "leave it out: a clause ends where the next one begins",
    ",": "leave it out: acts stand one after the other",
    "and": "leave it out: acts stand one after the other",
    "=": "to compare, write `==`",
}
_OPERATORS = frozenset({"*", "+", "-", ".", "==", "!=", "<", "<=", ">", ">=", "`known==`", "in", "is"})
_ACTS = frozenset({"ask", "call", "collect", "disclose", "end", "escalate", "forget", "note", "say", "set", "start"})
_VALUES = frozenset({"-", "(", "false", "its", "not", "true", "unknown", "was"})
_VALUES |= {_SPOKEN[kind] for kind in ("NUMBER", "TIME", "NAME", "STRING")}
_GROUPS = (("a value", _VALUES, "its"), ("an operator", _OPERATORS, "*"), ("an act", _ACTS, "forget"))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file as far as it could be read."""

    document: tree.Document
    words: tuple[Word, ...]
    comments: tuple[Comment, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Reads one policy file; `document` holds the clauses without mistakes."""
    words, comments, found = tokenize(source)
    deep = _too_deep(words)
    if deep is not None:
        return Parsed(tree.Document(source.path, ()), tuple(words), tuple(comments), (*found, deep))
    reader = _Reader(tables(), words, found)
    clauses = tuple(reader.clauses())
    return Parsed(tree.Document(source.path, clauses), tuple(words), tuple(comments), tuple(found))


def clause_words() -> frozenset[str]:
    """The words that begin a clause."""
    return _openers(tables())


# --- reading ---------------------------------------------------------------------------------------------------------


class _Reader:
    """A position in the words, and what was found so far."""

    def __init__(self, tables: Tables, words: list[Word], found: list[Diagnostic]) -> None:
        self._tables = tables
        self._openers = _openers(tables)
        self._spelled = {kind: text for text, kind in tables.keywords.items()}
        self._words = words
        self._found = found
        self._unreadable = {line for d in found for line in range(d.span.line, d.span.end_line + 1)}
        self._at = 0
        self._open_sections = 0

    def clauses(self) -> Iterator[tree.Clause]:
        """The clauses that can be read."""
        while self._words[self._at].kind != "end":
            if self._words[self._at].text == "}" and self._open_sections:
                self._open_sections -= 1  # the end of a section that had a mistake
                self._at += 1
                continue
            clause = self._clause()
            if clause is not None:
                yield clause

    def _clause(self) -> tree.Clause | None:
        build = Build()
        stack = Stack(self._tables, build, MAX_DEPTH + 8)  # a clause is at most 8 levels above its expressions
        start, mended = self._at, False
        while True:
            word = self._words[self._at]
            kind = self._kind(stack.choices, word)
            # the tables may accept more here than the whole stack does, and pushing would spoil a clause that is whole
            whole = END in stack.choices
            if kind is not None and (not whole or stack.takes(kind)) and stack.push(kind, word):
                self._at += 1
                continue
            if whole and self._at > start and stack.takes(END):
                clause = cast(tree.Clause, stack.finish())
                sound = self._sound(stack, build)
                return clause if sound and not mended else None
            if self._swallowed(start):
                return None
            if self._mend(stack, start):
                mended = True
                continue
            self._skip(start)
            return None

    def _sound(self, stack: Stack, build: Build) -> bool:
        """Whether a clause that was read to its end has no other mistake; what it has is reported."""
        self._found += build.mistakes
        if stack.deep is not None:
            message = f"an expression is nested deeper than {MAX_DEPTH} levels"
            help_ = "split it with `define`; each term of a sum counts as a level"
            self._add(Diagnostic(Code.NESTING, message, stack.deep, help_))
        return not build.mistakes and stack.deep is None

    def _kind(self, choices: Mapping[str, int], word: Word) -> str | None:
        """The kind that the grammar takes this word for here, or None where it cannot stand here."""
        match word.kind:
            case "word":
                keyword = self._tables.keywords.get(word.text)
                if keyword in choices:
                    return keyword
                if "UNIT" in choices and word.text in _UNITS:
                    return "UNIT"
                return "NAME" if "NAME" in choices and word.text != "built-in" else None
            case "symbol":
                kind = self._tables.keywords[word.text]
            case "known":
                kind = "KNOWN_OP"
            case "end":
                return None
            case other:
                kind = other.upper()
        return kind if kind in choices else None

    # --- mistakes

    def _mend(self, stack: Stack, start: int) -> bool:
        """Reports the word that cannot stand here; true if one word more, less or changed lets reading go on."""
        word = self._words[self._at]
        if self._at == start:
            self._report_opener(word)
            return False
        wanted = self._wanted(stack)
        guess = get_close_matches(word.text, [w for w in wanted if w.isalpha()], n=1, cutoff=0.7)
        if word.kind == "word" and guess and self._survives(stack, guess[0], self._at + 1):
            self._report(word, wanted, f"did you mean `{guess[0]}`?")
            stack.push(self._tables.keywords[guess[0]], word)
            self._at += 1
            return True
        for text in _MENDS:
            if text in wanted and self._survives(stack, text, self._at):
                self._report(word, [text], f"write `{text}` before it")
                stack.push(self._tables.keywords[text], word)
                return True
        self._report(word, wanted, _HINTS.get(word.text) or _hint(wanted))
        return False

    def _swallowed(self, start: int) -> bool:
        """Whether a clause without its end took the first word of the next one for a name; then that is read anew."""
        opener = self._words[self._at - 1]
        begins = opener.first and opener.text in self._openers and not self._words[self._at].first
        if not begins or self._at == 0 or self._at == start + 1:
            return False
        self._open_sections += self._words[start].text == "section" and self._at > start
        self._at -= 1
        message = f"this is not finished where `{opener.text}` begins the next clause"
        self._add(Diagnostic(Code.SYNTAX, message, _after(self._words[self._at - 1])))
        return True

    def _survives(self, stack: Stack, text: str, at: int) -> bool:
        """Whether reading goes on for three words from `at` once `text` stands before them."""
        trial = stack.imagined()
        if not trial.push(self._tables.keywords[text]):
            return False
        for word in self._words[at : at + 3]:
            kind, whole = self._kind(trial.choices, word), END in trial.choices
            if kind is None or not trial.push(kind):
                return whole and (word.kind == "end" or word.text in self._openers)
        return True

    def _wanted(self, stack: Stack) -> list[str]:
        return sorted(self._spelled.get(kind, _SPOKEN.get(kind, kind)) for kind in stack.accepted() if kind != END)

    def _report(self, word: Word, wanted: list[str], help_: str | None) -> None:
        here = _after(self._words[self._at - 1]) if word.first and self._at > 0 else word.span
        found = "the file ends" if word.kind == "end" else f"`{_short(word.text)}` stands"
        self._add(Diagnostic(Code.SYNTAX, f"{_either(wanted)} was expected where {found}", here, help_))

    def _report_opener(self, word: Word) -> None:
        message = f"`{_short(word.text)}` does not begin a clause and does not go on with the one before"
        help_ = _HINTS.get(word.text)
        if help_ is None and word.kind == "word":
            listed = ", ".join(f"`{opener}`" for opener in sorted(self._openers))
            help_ = did_you_mean(word.text, self._openers) or f"a clause begins with {listed}"
        self._add(Diagnostic(Code.SYNTAX, message, word.span, help_))

    def _add(self, diagnostic: Diagnostic) -> None:
        """Adds a mistake, unless it may only follow from what could not be read on its line."""
        if diagnostic.span.line not in self._unreadable and len(self._found) < MAX_FOUND:
            self._found.append(diagnostic)

    def _skip(self, start: int) -> None:
        """Moves to the next line that begins a clause; at least one word."""
        if self._words[start].text == "section":
            self._open_sections += 1
        self._at = max(self._at, start + 1)
        while True:
            word = self._words[self._at]
            closes = word.text == "}" and self._open_sections > 0 and word.first
            if word.kind == "end" or closes or (word.first and word.text in self._openers):
                return
            self._at += 1


def _after(word: Word) -> Span:
    """Just behind a word: where something is missing at the end of its line."""
    at = word.span
    return Span(at.path, at.end_line, at.end_column, at.end_line, at.end_column + 1)


def _openers(tables: Tables) -> frozenset[str]:
    return frozenset(text for text, kind in tables.keywords.items() if kind in tables.actions[0])


def _too_deep(words: list[Word]) -> Diagnostic | None:
    depth = 0
    for word in words:
        if word.kind == "symbol":
            depth += (word.text in _CLOSERS) - (word.text in _CLOSERS.values())
            if depth > MAX_DEPTH:
                message = f"brackets are nested deeper than {MAX_DEPTH} levels"
                return Diagnostic(Code.NESTING, message, word.span, "split what is in them with `define`")
    return None


def _either(wanted: list[str]) -> str:
    """What may stand somewhere, as people say it: what can begin a value together, and the like."""
    shown = set(wanted)
    named = []
    for name, members, sign in _GROUPS:
        if sign in shown:
            shown -= members
            named.append(name)
    listed = [w if " " in w or w.startswith("`") else f"`{w}`" for w in sorted(shown)] + named
    if len(listed) > 8:
        listed = [*listed[:8], "…"]
    return listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + " or " + listed[-1] if listed else "nothing more"


def _hint(wanted: list[str]) -> str | None:
    return "such as `300 ms`, `5 s`, `15 min`, `24 h` or `7 days`" if wanted == [_SPOKEN["UNIT"]] else None


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
