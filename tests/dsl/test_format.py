"""The formatter: laws over clauses made from the grammar, and the layouts by example."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from texts import GOOD, clauses

from charter.dsl.source import Source
from charter.dsl.syntax.format import Unreadable, format_document
from charter.dsl.syntax.layouts import WIDTH
from charter.dsl.syntax.parse import Parsed, parse

EXAMPLES = settings(max_examples=200, derandomize=True, deadline=None)


def read(text: str) -> Parsed:
    return parse(Source("policy.charter", text))


def formatted(text: str) -> str:
    result = format_document(read(text))
    assert not isinstance(result, Unreadable), result
    return result


def assert_laws(text: str) -> None:
    """The tree and the comments are the same afterwards, and formatting again changes nothing."""
    before = read(text)
    after = formatted(text)
    again = read(after)
    assert not again.diagnostics, again.diagnostics
    assert again.document == before.document
    assert [comment.text for comment in again.comments] == [comment.text for comment in before.comments]
    assert formatted(after) == after
    assert after == "" or (after.endswith("\n") and not after.startswith("\n"))
    assert "\n\n\n" not in after
    assert not any(line != line.rstrip() for line in after.split("\n"))


# --- laws ------------------------------------------------------------------------------------------------------------


@given(clauses())
@EXAMPLES
def test_formatting_then_parsing_gives_the_same_tree(text: str) -> None:
    assume(not read(text).diagnostics)
    assert_laws(text)


@given(st.data())
@EXAMPLES
def test_comments_and_blank_lines_anywhere_survive(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(GOOD)).split("\n")
    start = data.draw(st.integers(0, max(0, len(lines) - 1)))
    lines = lines[start : start + 12]
    words = "\n".join(lines).split(" ")
    for number in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(words)))
        words.insert(
            at, data.draw(st.sampled_from((f"# comment {number}\n", f"\n\n\n# own line {number}\n", "\n\n\n")))
        )
    text = " ".join(words)
    assume(not read(text).diagnostics)
    assert_laws(text)


@pytest.mark.parametrize("text", GOOD)
def test_a_policy_on_one_line_gets_its_layout_back(text: str) -> None:
    flat = " ".join(word.text for word in read(text).words)
    assert read(flat).document == read(text).document
    assert_laws(flat)


# --- by example ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "laid_out"),
    [
        ("rule a on b do say c", "rule a on b  do say c"),
        ("rule a on b do say c;say d", "rule a on b  do say c  say d"),
        ("rule a on b do say c say d say e", "rule a on b\n  do say c\n     say d\n     say e"),
        ("define a=((b) and (c or d))", "define a = b and (c or d)"),
        ("define a = (b and c) or (not (d))", "define a = b and c or not d"),
        ("define a = (b or c) or d", "define a = (b or c) or d"),
        ("define a = (b - c) - (d - e)", "define a = b - c - (d - e)"),
        ("define a = (b * c) + -(d + e)", "define a = b * c + -(d + e)"),
        ("define a = not (not (b == c))", "define a = not not b == c"),
        ("define a = (b is known) == (c in {d,e})", "define a = (b is known) == (c in { d, e })"),
        ("enum a{b,c as \"d\",}", 'enum a { b, c as "d" }'),
        ("record a{}", "record a {}"),
        ("turn fact a:int 0 .. 9=3", "turn fact a: int 0..9 = 3"),
        ("agent a suggests{b:bool=true}up to 3 times else c within 5s",
         "agent a suggests { b: bool = true }  within 5 s  else c  up to 3 times"),
        ("tool a()returns{}idempotent writes within 1 min", "tool a()  returns {}  writes  idempotent  within 1 min"),
        ('prompt a(){en"b"}', 'prompt a  { en "b" }'),
        ('require a cites"b""c"'.replace('cites"b""c"', '"c"cites"b"') + "say any once",
         'require a  "c"  cites "b"\n  say any once'),
        ('test"a"given b=c on d"e"(f:1)expect no say any except g,h attempt end because"i"',
         'test "a"\n  given b = c\n  on d "e" (f: 1)\n  expect no say any except g, h\n  attempt end because "i"'),
        ("", ""),
        ("\n\n# only a comment\n\n\n# and another", "# only a comment\n\n# and another"),
    ],
)  # fmt: skip
def test_a_clause_is_laid_out(written: str, laid_out: str) -> None:
    assert formatted(written) == (laid_out + "\n" if laid_out else "")


def test_the_heads_of_adjacent_rules_are_aligned() -> None:
    text = "rule a on x do say b\nrule long on x do say b\n\nrule other on x do say b\n"
    assert formatted(text) == "rule a    on x  do say b\nrule long on x  do say b\n\nrule other on x  do say b\n"


def test_one_very_long_head_does_not_move_the_others() -> None:
    long = "rule " + "a" * 40
    assert formatted(f"rule b on x do say c\n{long} on x do say c\n").startswith("rule b on x")


def test_a_rule_that_does_not_fit_puts_do_then_when_on_lines_of_their_own() -> None:
    condition = " and ".join(["classify.confidence is known"] * 2)
    rule = f"rule a on classify when {condition} do escalate general because"
    fits_without_do = formatted(f'{rule} "{"x" * 30}"')
    assert fits_without_do.split("\n")[1].startswith("  do escalate")
    assert "when" in fits_without_do.split("\n")[0]
    long = formatted(f'{rule} "x"'.replace(condition, f"{condition} and {condition}"))
    assert [line.split()[0] for line in long.rstrip().split("\n")] == ["rule", "when", "and", "and", "and", "do"]
    assert all(len(line) <= WIDTH for line in long.split("\n"))


def test_a_text_for_each_language_stands_on_its_line_where_one_line_is_too_long() -> None:
    text = f'prompt a {{ en "{"x" * 50}" de "{"y" * 50}" }}'
    assert formatted(text) == f'prompt a {{\n  en "{"x" * 50}"\n  de "{"y" * 50}"\n}}\n'


def test_a_comment_inside_a_rule_keeps_its_place() -> None:
    text = "rule a on b # why\n# first this\ndo say c\n"
    assert formatted(text) == "rule a on b  # why\n  # first this\n  do say c\n"


def test_comments_around_a_word_that_goes_keep_their_order() -> None:
    assert_laws("rule a on b do end\n\n# because\n; # why\nend end ")


def test_a_file_with_mistakes_is_refused_with_its_diagnostics() -> None:
    parsed = read("fact a bool\n")
    assert format_document(parsed) == Unreadable(parsed.diagnostics)
