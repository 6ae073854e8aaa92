"""Reading policy files: every text gives a tree and diagnostics, in time; hostile ones too."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import GOOD, SAMPLE, clauses, edited

from charter.dsl.diagnostics import MAX_COLUMNS, Code, Diagnostic, render
from charter.dsl.load import MAX_BYTES, Loaded, Rejected, load, load_text
from charter.dsl.source import Source
from charter.dsl.syntax import tree as s
from charter.dsl.syntax.parse import MAX_DEPTH, Parsed, parse
from charter.dsl.syntax.tables import computed, digest, grammar, kept_text, tables
from charter.dsl.syntax.tokens import MAX_FOUND, quoted, unescaped

SECONDS = 5.0  # of processor time for whatever a file may hold; far more than it takes
EXAMPLES = settings(max_examples=200, derandomize=True, deadline=None)


def read(text: str) -> Parsed:
    """The file, read; every diagnostic lies in it and can be shown."""
    source = Source("policy.charter", text)
    parsed = parse(source)
    for diagnostic in parsed.diagnostics:
        assert_lies_in(diagnostic, source)
    return parsed


def assert_lies_in(diagnostic: Diagnostic, source: Source) -> None:
    """The span is a stretch of the file; the end of a line and of the file count as places."""
    span, lines = diagnostic.span, source.text.split("\n")
    assert span.path == source.path
    assert 1 <= span.line <= span.end_line <= len(lines)
    assert 1 <= span.column <= len(lines[span.line - 1]) + 1
    assert 1 <= span.end_column <= len(lines[span.end_line - 1]) + 2
    assert (span.line, span.column) < (span.end_line, span.end_column)
    assert all(len(line) < 3 * MAX_COLUMNS for line in render(diagnostic, [source]).split("\n")[2:5])


def codes(result: Loaded | Rejected) -> set[Code]:
    return {diagnostic.code for diagnostic in result.diagnostics}


def only(text: str) -> s.Clause:
    """The one clause of a text without mistakes."""
    parsed = read(text)
    assert not parsed.diagnostics, parsed.diagnostics
    (clause,) = parsed.document.clauses
    return clause


# --- the tables ------------------------------------------------------------------------------------------------------


def test_the_kept_tables_are_those_of_the_grammar() -> None:
    kept = Path(__file__).parents[2] / "dsl" / "syntax" / "tables.json"
    assert kept.read_text(encoding="utf-8") == kept_text(), "run `python -m charter.dsl.syntax.tables`"


def test_tables_of_another_grammar_differ() -> None:
    changed = grammar().replace('"forget" NAME', '"erase" NAME')
    assert digest(changed) != digest(grammar())
    assert "erase" in computed(changed).keywords
    assert "erase" not in tables().keywords


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_word_is_a_keyword_only_where_one_can_stand() -> None:
    rule = only("rule rule on on when when known== say do say say; end because end".replace("because end", ""))
    assert isinstance(rule, s.Rule)
    assert rule.name.text == "rule"
    assert rule.triggers[0].of == s.EventRef("", s.Name("on", rule.span), rule.span)
    assert rule.acts == (s.Speak("say", s.Name("say", rule.span), None, rule.span), s.End(None, rule.span))


def test_numbers_and_units_may_touch() -> None:
    assert only("queue q within 30s") == only("queue q within 30 s")


def test_only_plain_digits_are_numbers() -> None:
    assert codes(load_text("queue q within ٣٠ s")) >= {Code.CHARACTER}


def test_an_escaped_line_end_does_not_go_on_with_a_text() -> None:
    parsed = read('rule a on b do note "one \\\ntwo"\nfact c: bool = treu\n')
    assert {d.span.line for d in parsed.diagnostics} == {1}
    assert parsed.document.clauses[-1].span.line == 3


@given(st.text())
@EXAMPLES
def test_a_quoted_text_says_what_it_says(text: str) -> None:
    assert unescaped(quoted(text)[1:-1]) == text


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_one_mistake_hides_no_other() -> None:
    faulty = "\n".join(f"rule r{i} on utterance do say" for i in range(20))
    assert [d.span.line for d in read(faulty).diagnostics] == list(range(1, 21))


def test_a_clause_after_a_faulty_one_is_read() -> None:
    parsed = read("fact a bool\nfact b: bool = true\nrule c on d when\nfact e: bool = true")
    assert [c.name.text for c in parsed.document.clauses if isinstance(c, s.Fact)] == ["b", "e"]
    assert len(parsed.diagnostics) == 2


def test_a_word_that_opens_the_next_clause_is_not_taken_for_a_value() -> None:
    parsed = read("fact a: bool =\nrule b on start do say hi\n")
    (diagnostic,) = parsed.diagnostics
    assert (diagnostic.span.line, diagnostic.span.column) == (1, 15)
    assert isinstance(parsed.document.clauses[-1], s.Rule)


def test_a_mistake_in_a_section_leaves_what_follows_it() -> None:
    parsed = read('section "a" {\n  rule b on c do\n  rule d on e do say f\n}\nrule g on h do say i\n')
    assert len(parsed.diagnostics) == 1
    assert [c.name.text for c in parsed.document.clauses if isinstance(c, s.Rule)] == ["d", "g"]


def test_mistakes_are_told_up_to_a_number() -> None:
    parsed = read("rule rule rule\n" * 5000)
    assert len(parsed.diagnostics) == MAX_FOUND


# --- hostile files ---------------------------------------------------------------------------------------------------


def test_every_beginning_of_the_sample_gives_diagnostics() -> None:
    began = time.process_time()
    for length in range(0, len(SAMPLE), max(1, len(SAMPLE) // 200)):
        read(SAMPLE[:length])
        load_text(SAMPLE[:length])
    assert time.process_time() - began < 6 * SECONDS


@pytest.mark.parametrize(
    "text",
    [
        "1" * 100_000,
        "(" * 100_000,
        "a" * 100_000,
        '"' * 100_001,
        "“" * 100_000,
        "'" * 100_001,
        "\\" * 100_000,
        "{" * 100_000 + "}" * 100_000,
        "not " * 100_000,
        "define a = " + " + ".join(["1"] * 5_000),
        "define a = " + " and ".join(["b"] * 5_000),
        "define a = " + "not " * 10_000 + "b",
        "define a = " + "-" * 10_000 + "1",
        "define a = b" + ".c" * 10_000,
        "define a = " + "f(" * 60 + "1" + ")" * 60,
        "ask ".join(["rule a on b do "] * 3_000),
        "rule a on b do ask " + ", ".join(["c"] * 20_000),
        "rule a on " + " or ".join(["b"] * 20_000) + " do say c",
        "enum E { " + ", ".join(f"v{i}" for i in range(20_000)) + " }",
        'prompt p { en "' + "x" * 1_000_000 + '" }',
        "# " + "x" * 1_000_000,
        "\n" * 1_000_000,
        "fact a: bool = true " * 20_000,
        "\x00" * 100_000,
        "\ufeff" * 100_000,
        "\u202e" * 100_000,
        '"\n' * 50_000,
        "\r" * 100_000,
    ],
    ids=lambda text: f"{text[:12]!r}x{len(text)}",
)
def test_a_hostile_text_is_read_in_time(text: str) -> None:
    began = time.process_time()
    parsed = read(text)
    result = load_text(text)
    assert time.process_time() - began < SECONDS
    assert isinstance(result, Rejected)
    assert len(parsed.diagnostics) <= MAX_FOUND + 2


def test_deep_nesting_is_refused_and_what_is_just_less_is_not() -> None:
    deep = "define a = " + "(" * MAX_DEPTH + "true" + ")" * MAX_DEPTH
    assert not read(deep).diagnostics
    assert {d.code for d in read(deep.replace("true", "(true)")).diagnostics} == {Code.NESTING}
    assert not read("define a = " + "not " * (MAX_DEPTH - 1) + "true").diagnostics
    assert {d.code for d in read("define a = " + "not " * (MAX_DEPTH + 9) + "true").diagnostics} == {Code.NESTING}


def test_windows_line_ends_are_line_ends() -> None:
    assert parse(Source("a", SAMPLE.replace("\n", "\r\n"))).document == parse(Source("a", SAMPLE)).document
    assert isinstance(load_text(SAMPLE.replace("\n", "\r\n")), Loaded)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (bytes(range(256)) * 4_000, Code.FILE),
        (b"\x7fELF" + bytes(5_000), Code.CHARACTER),
        (SAMPLE.encode("utf-16"), Code.FILE),
        (SAMPLE.encode("latin-1"), Code.FILE),
        (b"\xef\xbb\xbf" + SAMPLE.encode(), Code.CHARACTER),
        (SAMPLE.replace("card_support", "card\0support").encode(), Code.CHARACTER),
        (SAMPLE.replace('"', "“", 2).encode(), Code.CHARACTER),
        (SAMPLE.replace(" ", "\u00a0", 50).encode(), Code.CHARACTER),
        (b"", Code.HEADER),
    ],
)
def test_a_hostile_file_gets_a_diagnostic(tmp_path: Path, data: bytes, code: Code) -> None:
    file = tmp_path / "policy.charter"
    file.write_bytes(data)
    result = load(tmp_path)
    assert isinstance(result, Rejected)
    assert code in codes(result)
    assert len(str(result)) < 200_000


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.charter"
    file.write_text("fact a: bool = true\n" * (MAX_BYTES // 20 + 1), encoding="utf-8")
    began = time.process_time()
    result = load(tmp_path)
    assert time.process_time() - began < 1
    assert [d.code for d in result.diagnostics if d.code is Code.FILE]


def test_what_is_no_file_is_a_diagnostic(tmp_path: Path) -> None:
    assert codes(load(tmp_path)) == {Code.FILE}
    assert codes(load(tmp_path / "missing.charter")) == {Code.FILE}
    (tmp_path / "folder.charter").mkdir()
    assert codes(load(tmp_path / "folder.charter")) == {Code.FILE}


def test_an_import_stays_in_the_folder_also_through_a_link(tmp_path: Path) -> None:
    inside = tmp_path / "policy"
    inside.mkdir()
    (tmp_path / "secret.charter").write_text("queue general within 30 s\n", encoding="utf-8")
    (inside / "link.charter").symlink_to(tmp_path / "secret.charter")
    (inside / "policy.charter").write_text(f'import "link.charter"\n{SAMPLE}', encoding="utf-8")
    assert Code.IMPORT in codes(load(inside))


def test_an_import_cycle_ends(tmp_path: Path) -> None:
    for i in range(50):
        (tmp_path / f"f{i}.charter").write_text(f'import "f{(i + 1) % 50}.charter"\n', encoding="utf-8")
    (tmp_path / "policy.charter").write_text('import "f0.charter"\n' + SAMPLE, encoding="utf-8")
    assert codes(load(tmp_path)) == {Code.IMPORT}


def test_a_chain_of_imports_is_not_followed_for_ever(tmp_path: Path) -> None:
    for i in range(1_500):
        (tmp_path / f"f{i}.charter").write_text(f'import "f{i + 1}.charter"\n', encoding="utf-8")
    (tmp_path / "policy.charter").write_text('import "f0.charter"\n' + SAMPLE, encoding="utf-8")
    assert Code.IMPORT in codes(load(tmp_path))


# --- laws ------------------------------------------------------------------------------------------------------------


@given(clauses())
@EXAMPLES
def test_what_the_grammar_makes_can_be_read(text: str) -> None:
    read(text)
    load_text(SAMPLE + text)


@given(edited())
@EXAMPLES
def test_an_edited_policy_is_read_or_refused(text: str) -> None:
    read(text)
    result = load_text(text)
    source = Source("policy.charter", text)
    for diagnostic in result.diagnostics:
        assert_lies_in(diagnostic, source)


@given(st.text())
@EXAMPLES
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)
    assert isinstance(load_text(text), Rejected)


@given(st.lists(st.sampled_from(sorted({*tables().keywords, "x", "1", '"t"', "known=="})), max_size=40).map(" ".join))
@EXAMPLES
def test_any_row_of_words_is_read_or_refused(text: str) -> None:
    read(text)
    load_text(text)


def test_good_policies_have_no_diagnostics() -> None:
    assert len(GOOD) > 10
    assert not [d for text in GOOD for d in read(text).diagnostics]
