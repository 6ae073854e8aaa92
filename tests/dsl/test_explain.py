"""The explanations: every code has one, whose wrong example is that mistake and whose right one is none."""

import re
from pathlib import Path

import pytest

from charter.dsl.diagnostics import Code
from charter.dsl.explain import explain
from charter.dsl.load import Loaded, Rejected, load
from charter.dsl.source import Source
from charter.dsl.syntax.format import Unreadable, format_document
from charter.dsl.syntax.parse import parse

HEADER = """
policy example
  languages en, de
  fallback queue general
enum Intent { lost_card, human, other }
record Account { number: id, owner: id }
queue general within 30 s
fact account: Account?
fact calls: int 0..99 = 0
agent classify suggests { intent: Intent, confidence: decimal(2) 0..1 } within 300 ms
tool find_account(phone: id) returns { account: Account } reads within 2 s
tool freeze_card(number: id) returns { frozen: bool } writes within 3 s
prompt hello { en "Hello." de "Guten Tag." }
rule failed on classify fails or find_account fails or freeze_card fails or freeze_card uncertain do say hello
rule nobody on escalate any fails do end because "nobody"
"""


def page(code: Code) -> str:
    text = explain(code.number)
    assert text is not None
    return text


def example(code: Code, kind: str) -> str:
    (found,) = re.findall(rf"```charter {kind}\n(.*?)```", page(code), re.DOTALL)
    return str(found)


def loaded(fragment: str, folder: Path) -> Loaded | Rejected:
    (folder / "policy").mkdir()
    (folder / "policy" / "policy.charter").write_text(HEADER + fragment, encoding="utf-8")
    for place in (folder / "policy", folder):
        (place / "identity.charter").write_text("event identified_by_card\n", encoding="utf-8")
    return load(folder / "policy")


@pytest.mark.parametrize("code", Code, ids=lambda code: code.number)
def test_a_code_has_its_explanation(code: Code) -> None:
    title, *rest = page(code).split("\n")
    assert title == f"{code.number} {code.title}"
    assert len("\n".join(rest)) > 200


@pytest.mark.parametrize("code", Code, ids=lambda code: code.number)
def test_the_wrong_example_is_this_mistake(code: Code, tmp_path: Path) -> None:
    result = loaded(example(code, "wrong"), tmp_path)
    assert code in {diagnostic.code for diagnostic in result.diagnostics}
    if isinstance(result, Rejected):
        assert {diagnostic.code for diagnostic in result.diagnostics} == {code}, str(result)


@pytest.mark.parametrize("code", Code, ids=lambda code: code.number)
def test_the_right_example_is_no_mistake(code: Code, tmp_path: Path) -> None:
    result = loaded(example(code, "right"), tmp_path)
    assert isinstance(result, Loaded), str(result)
    named = re.findall(r"^\w+ (\w+)", example(code, "right"), re.MULTILINE)
    assert not [d for d in result.diagnostics if d.code is code and any(f"`{name}`" in d.message for name in named)]


@pytest.mark.parametrize("code", Code, ids=lambda code: code.number)
def test_the_right_example_can_be_formatted(code: Code) -> None:
    assert not isinstance(format_document(parse(Source("a", example(code, "right")))), Unreadable)


def test_what_is_no_code_has_no_explanation() -> None:
    assert explain("CH999") is None
    assert explain("CH02") is None
    assert explain("") is None
