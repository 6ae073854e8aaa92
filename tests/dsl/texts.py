"""Policy texts for random tests: clauses made from the grammar, and edits of real policies."""

from pathlib import Path

from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark

from charter.dsl.syntax.tables import grammar, tables

CORPUS = Path(__file__).parent.parent / "corpus"
SAMPLE = (CORPUS / "good" / "sample" / "card_support.charter").read_text(encoding="utf-8")
GOOD = [file.read_text(encoding="utf-8") for file in sorted((CORPUS / "good").rglob("*.charter"))]

NAMES = ("account", "classify", "greet", "hi", "when", "rule", "x", "any", "on", "end", "known", "A", "_b1")
STRINGS = (
    '"Hello."',
    '""',
    '"a \\"quoted\\" \\\\ word"',
    '"{slot} \\{brace\\} # no comment"',
    '"Grüße, 你好"',
    '"a\\nb"',
)
DECLARED = {
    "NAME": st.sampled_from(NAMES),
    "STRING": st.sampled_from(STRINGS),
    "NUMBER": st.sampled_from(("0", "1", "17", "0.25", "007", "9223372036854775807")),
    "TIME": st.sampled_from(("2026-01-31", "2026-01-31T09:30:00Z", "2026-01-31T09:30+01:00")),
    "UNIT": st.sampled_from(("ms", "s", "min", "hours", "days")),
    "KNOWN_OP": st.sampled_from(("known==", "known<", "known>=")),
}


def clauses() -> st.SearchStrategy[str]:
    """Texts of one clause, as the grammar allows them; what stands where is random."""
    spelled = {kind: st.just(text) for text, kind in tables().keywords.items()}
    blanks = st.sampled_from((" ", "\n  ", "  ", " # why\n", "\n\n# because\n"))
    words = {kind: st.tuples(word, blanks).map("".join) for kind, word in (spelled | DECLARED).items()}
    lark = Lark(grammar(), start="clause", parser="lalr", lexer="basic")
    return from_lark(lark, start="clause", explicit=words)


@st.composite
def edited(draw: st.DrawFn) -> str:
    """A real policy with some pieces cut out, doubled, swapped or replaced."""
    text = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 60)))
        piece = draw(
            st.one_of(
                st.just(""),
                st.just(text[start:end] * 2),
                st.sampled_from((*NAMES, *STRINGS, "(", ")", "{", "}", ",", "\n", "do", '"', "#", "“", "\u00a0", "\0")),
                st.text(max_size=12),
            )
        )
        text = text[:start] + piece + text[end:]
    return text
