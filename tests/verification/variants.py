"""Variants of the policy of seven rules, for what compares and changes policies."""

from pathlib import Path

from charter.dsl.load import Loaded, Rejected, load_text

SEVEN_RULES = Path(__file__).parents[1] / "corpus" / "good" / "whole" / "seven_rules.charter"
TEXT = SEVEN_RULES.read_text(encoding="utf-8")

UNCLEAR = """rule unclear on classify (when its intent != human and (not sure or its intent == other))
    or silence or keys
  do say say_again
"""
UNCLEAR_IN_TWO = """rule unsure on classify (when not sure and its intent != human) or silence or keys  do say say_again
rule other  on classify when sure and its intent == other  do say say_again
"""


def text_of(*changes: tuple[str, str]) -> str:
    """The policy with each of these texts replaced."""
    text = TEXT
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


def policy(*changes: tuple[str, str]) -> Loaded:
    """The same, loaded."""
    loaded = load_text(text_of(*changes))
    if isinstance(loaded, Rejected):
        raise AssertionError(str(loaded))
    return loaded
