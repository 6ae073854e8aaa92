"""The word lists: what matches, what wins, and what is refused."""

from decimal import Decimal
from pathlib import Path

import pytest

from charter.agents import Abstention, Field, Question, Suggestion, Symbol
from charter.agents.keywords import SURE, TORN, KeywordsProvider, read_keywords
from charter.agents.utterances import InvalidUtterances, read_utterances

SHIPPED = Path(__file__).parents[2] / "rules/card_support"
LISTS = """language,intent,words
en,danger,can't breathe
en,lost_card,lost card*
en,address_change,address
en,address_change,lost card* address
en,fees,fee*
en,balance,balance
de,lost_card,karte verloren
"""


@pytest.fixture
def provider(tmp_path: Path) -> KeywordsProvider:
    path = tmp_path / "keywords.csv"
    path.write_text(LISTS, "utf-8")
    return read_keywords(path)


def suggested(provider: KeywordsProvider, words: str, language: str = "en") -> tuple[str, Decimal] | str:
    answer = provider.suggest(Question("keywords", words, language))
    if isinstance(answer, Abstention):
        return answer.reason
    match answer.fields:
        case (Field("intent", Symbol(name)), Field("confidence", Decimal() as confidence)):
            return name, confidence
        case other:
            pytest.fail(f"{other} is no intent with a confidence")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("I LOST both my cards!", ("lost_card", SURE)),
        ("I can't breathe", ("danger", SURE)),
        ("the fees?", ("fees", SURE)),
        ("I lost the card at my old address", ("address_change", SURE)),
        ("which fee, which balance", ("fees", TORN)),
        ("balance first, then the fee", ("fees", TORN)),
        ("lost", "no word list matches"),
        ("coffee", "no word list matches"),
        ("", "no word list matches"),
    ],
)
def test_the_list_with_the_most_words_wins_and_a_tie_is_not_sure(provider, words, expected) -> None:
    assert suggested(provider, words) == expected


def test_a_region_has_the_lists_of_its_language(provider) -> None:
    assert suggested(provider, "Karte verloren", "de-AT") == ("lost_card", SURE)
    assert suggested(provider, "carte perdue", "fr") == "there are no word lists in the language `fr`"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("language,intent\n", r"keywords\.csv:1: the header is `language,intent,words`"),
        ("language,intent,words\n", r"keywords\.csv: there are no word lists"),
        ("language,intent,words\nen,lost_card\n", r"keywords\.csv:2: a row has 3 columns and this one 2"),
        ("language,intent,words\nen,Lost,card\n", r"keywords\.csv:2: `Lost` is not a name"),
        ("language,intent,words\nen,lost_card,*\n", r"keywords\.csv:2: `\*` is no list of words"),
        ("language,intent,words\nen,lost_card,?!\n", r"keywords\.csv:2: `\?!` is no list of words"),
        ('language,intent,words\nen,lost_card,"card\n', r"keywords\.csv:\d: "),
    ],
)
def test_bad_lists_are_refused_with_their_line(tmp_path: Path, text, says) -> None:
    path = tmp_path / "keywords.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidUtterances, match=says):
        read_keywords(path)


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_shipped_lists_are_right_nine_times_of_ten_where_they_are_sure(language: str) -> None:
    """On every shipped utterance: none was learned from, but the lists were written with them in view."""
    provider = read_keywords(SHIPPED / "keywords.csv")
    right = sure = 0
    for one in read_utterances(SHIPPED / "intents.csv", readable=lambda _: True):
        if one.language != language:
            continue
        answer = provider.suggest(Question("keywords", one.text, language))
        if isinstance(answer, Suggestion) and answer.fields[1].value == SURE:
            sure += 1
            right += answer.fields[0].value == Symbol(one.intent)
    assert sure >= 400
    assert right / sure >= 0.9
