"""The utterances of a policy: what is refused, what is held out, and the ones that are shipped."""

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter.agents.utterances import InvalidUtterances, Utterance, read_utterances, split

SHIPPED = Path(__file__).parents[2] / "rules/card_support/intents.csv"
HEADER = "language,intent,utterance\n"
TEN_EACH = [f"en,{intent},{intent} number {number}" for intent in ("human", "other") for number in range(10)]


def read(path: Path, content: str | bytes) -> tuple[Utterance, ...]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_utterances(path, readable={"en", "de"}.__contains__)


def test_rows_become_utterances(tmp_path: Path) -> None:
    content = HEADER + "\n".join([*TEN_EACH[:-1], 'en,other,"commas, ""quotes""\nand lines"', ""])
    utterances = read(tmp_path / "intents.csv", content)
    assert utterances[0] == Utterance("en", "human", "human number 0", line=2)
    assert utterances[-1] == Utterance("en", "other", 'commas, "quotes"\nand lines', line=21)
    assert [one.line for one in utterances] == list(range(2, 22))


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    plain = HEADER + "\n".join(TEN_EACH)
    spread = "\ufeff" + plain.replace("\n", "\r\n\r\n")
    assert read(tmp_path / "intents.csv", spread) == read(tmp_path / "intents.csv", plain)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", ":1: the file is empty"),
        ("text,label\n", ":1: the header is `language,intent,utterance`, not `text,label`"),
        (HEADER + "en,human\n", ":2: a row has 3 columns and this one 2"),
        (HEADER + "\nen,human,a,b\n", ":3: a row has 3 columns and this one 4"),
        (HEADER + "tlh,human,nuqneH\n", ":2: there is no encoder for the language `tlh`"),
        (HEADER + "en,Lost Card,gone\n", ":2: `Lost Card` is not a name that a policy can give to an intent"),
        (HEADER + "en,human, ?!\n", ":2: the utterance has no words"),
        (HEADER + "en,human,Hi there\nen,other,hi  there!\n", ":3: this utterance stands in line 2 already"),
        (HEADER + 'en,human,"open\n', ":2: unexpected end of data"),
        (HEADER.encode() + b"en,human,a\nen,human,caf\xe9\n", ":3: the file is not UTF-8"),
        (HEADER, ": there must be two intents or more, and there are 0"),
        (HEADER + "\n".join(TEN_EACH[:10]), ": there must be two intents or more, and there are 1"),
        (
            HEADER + "\n".join(TEN_EACH[:-1]),
            ":12: the intent `other` has 9 utterances in the language `en` and needs 10",
        ),
        (
            HEADER + "\n".join([*TEN_EACH, "de,human,ein Mensch bitte"]),
            ": the intent `human` has 1 utterances in the language `de` and needs 10",
        ),
    ],
)
def test_utterances_that_teach_nothing_are_refused_by_file_and_line(tmp_path: Path, content, says: str) -> None:
    path = tmp_path / "intents.csv"
    with pytest.raises(InvalidUtterances) as caught:
        read(path, content)
    if "has 1 utterances" in says:
        assert str(caught.value) == f"{path}:22{says}"
    else:
        assert str(caught.value) == f"{path}{says}"


def test_a_language_without_an_intent_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "intents.csv"
    german = [f"de,human,Mensch Nummer {number}" for number in range(10)]
    with pytest.raises(InvalidUtterances, match="the intent `other` has no utterances in the language `de`"):
        read(path, HEADER + "\n".join([*TEN_EACH, *german]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    with pytest.raises(InvalidUtterances, match=r"none\.csv: cannot be read: No such file or directory"):
        read_utterances(path, readable=bool)


UTTERANCES = st.lists(
    st.builds(
        Utterance, st.sampled_from(["en", "de"]), st.sampled_from(["human", "other"]), st.text("abc"), st.just(0)
    ),
    unique_by=lambda one: (one.language, one.text),
)


@given(UTTERANCES, st.randoms())
def test_the_split_does_not_depend_on_order(utterances, random) -> None:
    learned, held_out = split(utterances)
    shuffled = random.sample(utterances, len(utterances))
    assert [set(part) for part in split(shuffled)] == [set(learned), set(held_out)]


@given(UTTERANCES)
def test_the_split_holds_out_a_fifth_of_every_intent_and_loses_nothing(utterances) -> None:
    learned, held_out = split(utterances)
    assert Counter(learned) + Counter(held_out) == Counter(utterances)
    all_groups = Counter((one.language, one.intent) for one in utterances)
    held_groups = Counter((one.language, one.intent) for one in held_out)
    assert all(held_groups[group] == count // 5 for group, count in all_groups.items())


def shipped() -> tuple[Utterance, ...]:
    return read_utterances(SHIPPED, readable={"en", "de"}.__contains__)


def test_the_shipped_utterances_are_enough_in_every_language() -> None:
    counts = Counter((one.language, one.intent) for one in shipped())
    assert {language for language, _ in counts} == {"en", "de"}
    assert len(counts) == 2 * 21
    assert min(counts.values()) >= 40


def test_no_two_shipped_utterances_are_nearly_the_same() -> None:
    words = [(one, frozenset(re.findall(r"\w+", one.text.lower()))) for one in shipped()]
    near = [
        (first.text, second.text)
        for (first, ours), (second, theirs) in itertools.combinations(words, 2)
        if first.language == second.language and len(ours & theirs) > 0.6 * len(ours | theirs)
    ]
    assert near == []
