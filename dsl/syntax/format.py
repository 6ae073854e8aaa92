"""The one canonical layout of a policy file: what `charter fmt` writes.

Only blanks, line ends, redundant parentheses, `;` and commas change. Comments stay at the word they stand before, or
behind the word they follow; one blank line between clauses stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise

from charter.dsl.diagnostics import Diagnostic
from charter.dsl.source import Source
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.layouts import WIDTH, Layout, Layouts, layouts
from charter.dsl.syntax.parse import Parsed, parse
from charter.dsl.syntax.phrases import step_text
from charter.dsl.syntax.tokens import Comment, Word, tokenize

WIDEST_HEAD = 28  # of a block's heads, those that are wider are not waited for


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file with syntax errors, which has no layout."""

    diagnostics: tuple[Diagnostic, ...]


def format_document(parsed: Parsed) -> str | Unreadable:
    """The file in its canonical layout. Parsing it gives the same tree and comments; formatting it, the same text."""
    if parsed.diagnostics:
        return Unreadable(parsed.diagnostics)
    while True:
        writer = _Writer(parsed)
        text = writer.written()
        if not writer.moved:
            return text
        parsed = parse(Source(parsed.document.path, text))  # a comment found a better place, which other layouts allow


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is laid out by itself: a clause, a step of a test, or the first or last line of a section."""

    first: int  # its first word
    layouts: Layouts
    indent: int = 0
    opens: bool = False
    closes: bool = False


class _Writer:
    """One pass over the pieces of a file. `moved`: a comment inside a clause stands elsewhere now."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._words = parsed.words
        self._comments = list(parsed.comments)
        self._pieces = list(_pieces(parsed))
        self._lines: list[str] = []
        self._row = 0  # the last row of the source that is written
        self._opened = True  # nothing stands before, so no blank line is kept
        self.moved = False

    def written(self) -> str:
        """The text."""
        heads = _heads(self._pieces, self._parsed)
        firsts = [*(piece.first for piece in self._pieces), len(self._words) - 1]
        for piece, head, end in zip(self._pieces, heads, firsts[1:], strict=True):
            indent = " " * piece.indent
            self._own_lines(piece.first, " " * (piece.indent + 2 if piece.closes else piece.indent))
            self._space(self._words[piece.first].span.line, closes=piece.closes)
            self._lines += [(indent + line).rstrip() for line in self._laid_out(piece, head, end)]
            self._row, self._opened = self._words[end - 1].span.end_line, piece.opens
        self._own_lines(len(self._words) - 1, "")
        return "\n".join(self._lines) + "\n" if self._lines else ""

    def _own_lines(self, before: int, indent: str) -> None:
        """Writes the comments up to a word."""
        while self._comments and self._comments[0].before <= before:
            comment = self._comments.pop(0)
            self._space(comment.line)
            self._lines.append(indent + comment.text)
            self._row, self._opened = comment.line, False

    def _space(self, row: int, closes: bool = False) -> None:
        if row > self._row + 1 and not self._opened and not closes:
            self._lines.append("")

    def _laid_out(self, piece: _Piece, head: str, end: int) -> list[str]:
        """The lines of a piece, with the comments inside it and behind it."""
        inside = _taken(self._comments, piece.first, end)
        words = [word.text for word in self._words[piece.first : end]]
        for layout in piece.layouts.all:
            lines = [(head if layout.aligned else piece.layouts.head) + layout.first, *layout.more]
            placed, exact = _placed(inside, words, lines)
            if exact and all(len(line) <= WIDTH - piece.indent for line in lines):
                return placed
        self.moved = self.moved or not exact
        return placed


# --- pieces ----------------------------------------------------------------------------------------------------------


def _pieces(parsed: Parsed) -> Iterator[_Piece]:
    at = {(word.span.line, word.span.column): number for number, word in enumerate(parsed.words)}
    for clause in parsed.document.clauses:
        first = at[clause.span.line, clause.span.column]
        match clause:
            case s.Section(_, _, rules):
                yield _Piece(first, layouts(clause), opens=True)
                for rule in rules:
                    yield _Piece(at[rule.span.line, rule.span.column], layouts(rule, WIDTH - 2), 2)
                last = at[clause.span.end_line, clause.span.end_column - 1]
                yield _Piece(last, Layouts("}", (Layout(""),)), closes=True)
            case s.Test(_, steps):
                yield _Piece(first, layouts(clause), opens=True)
                for step in steps:
                    line = Layouts(step_text(step), (Layout(""),))
                    yield _Piece(at[step.span.line, step.span.column], line, 2)
            case _:
                yield _Piece(first, layouts(clause))


def _heads(pieces: list[_Piece], parsed: Parsed) -> list[str]:
    """The heads, made equally wide in each block: like clauses without a blank line between them."""
    commented = {comment.line for comment in parsed.comments}
    blocks: list[list[_Piece]] = [[piece] for piece in pieces[:1]]
    for before, piece in pairwise(pieces):
        between = range(parsed.words[piece.first - 1].span.end_line + 1, parsed.words[piece.first].span.line)
        apart = any(row not in commented for row in between)
        if apart or not piece.layouts.block or piece.layouts.block != before.layouts.block:
            blocks.append([])
        blocks[-1].append(piece)
    return [piece.layouts.head.ljust(_column(block)) for block in blocks for piece in block]


def _column(block: list[_Piece]) -> int:
    return max((len(p.layouts.head) for p in block if _aligns(p) and len(p.layouts.head) <= WIDEST_HEAD), default=0)


def _aligns(piece: _Piece) -> bool:
    """Whether the clause is written in an aligned layout, as far as its own width goes."""
    shortest, longest = piece.layouts.all[0], piece.layouts.all[-1]
    return longest.aligned or len(piece.layouts.head) + len(shortest.first) <= WIDTH - piece.indent


# --- comments inside -------------------------------------------------------------------------------------------------


def _taken(comments: list[Comment], first: int, end: int) -> list[Comment]:
    """Takes away the comments after the first word of a piece, the one behind its last word included."""
    count = 0
    for comment in comments:
        if comment.before > end or (comment.before == end and comment.own_line):
            break
        count += 1
    inside = [replace(comment, before=comment.before - first) for comment in comments[:count]]
    del comments[:count]
    return inside


def _placed(comments: list[Comment], words: list[str], lines: list[str]) -> tuple[list[str], bool]:
    """The lines with the comments, and whether each stands between the words where it stood."""
    if not comments:
        return lines, True
    written, _, _ = tokenize(Source("", "\n".join(lines)))
    del written[-1]  # the end
    matcher = SequenceMatcher(None, words, [word.text for word in written], autojunk=False)
    at = {block.a + i: block.b + i for block in matcher.get_matching_blocks() for i in range(block.size)}
    above: list[list[str]] = [[] for _ in lines]
    behind = [""] * len(lines)
    row, exact = 0, True
    for comment in comments:
        wanted, stays = _place(comment, at, written)
        row, stays = max(row, wanted), stays and wanted >= row  # never above the one before
        if behind[row]:  # another one follows it, so it cannot end the line
            above[row].append(behind[row])
            behind[row], exact = "", False
        if comment.own_line:
            above[row].append(comment.text)
        else:
            behind[row] = comment.text
        exact = exact and stays
    placed = []
    for line, own, last in zip(lines, above, behind, strict=True):
        indent = " " * (len(line) - len(line.lstrip()))
        placed += [*(indent + text for text in own), f"{line}  {last}" if last else line]
    return placed, exact


def _place(comment: Comment, at: dict[int, int], written: list[Word]) -> tuple[int, bool]:
    """The row that a comment goes above or behind, and whether the words around it are those that were."""
    kept = set(at.values())
    if comment.own_line:
        number = next((at[i] for i in range(comment.before, max(at) + 1) if i in at), len(written) - 1)
        between = range(number - 1, -1, -1)
    else:
        number = next((at[i] for i in range(comment.before - 1, -1, -1) if i in at), 0)
        between = range(number + 1, len(written))
    row = written[number].span.line
    return row - 1, not any(i in kept for i in between if written[i].span.line == row)
