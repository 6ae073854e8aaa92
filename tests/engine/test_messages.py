"""Messages and values: what goes out comes back, and what does not fit the declared type is refused."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charter.dsl.types import (
    BOOL,
    DURATION,
    ID,
    TIME,
    DecimalType,
    EnumType,
    IntType,
    OptionalType,
    RecordType,
    TextType,
    Type,
    Value,
)
from charter.dsl.values import Misfit
from charter.engine.conversation.messages import duration, from_message, from_record, timestamp, to_fields, to_message
from charter.v1 import values_pb2
from charter.v1.values_pb2 import Field

INTENT = EnumType("Intent", ("lost_card", "human"))
CONFIDENCE = DecimalType(4, 0, 10_000)
MS = st.integers(-(10**13), 10**13)
PLAIN: tuple[tuple[Type, st.SearchStrategy[Value]], ...] = (
    (BOOL, st.booleans()),
    (IntType(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)),
    (DecimalType(4, -(10**9), 10**9), st.integers(-(10**9), 10**9)),
    (INTENT, st.sampled_from(INTENT.values)),
    (ID, st.text()),
    (TextType(100), st.text(max_size=100)),
    (TIME, MS),
    (DURATION, MS),
)
RECORD = RecordType("Everything", tuple((f"field_{i}", type_) for i, (type_, _) in enumerate(PLAIN)))
FIELDS = (("intent", INTENT), ("confidence", CONFIDENCE), ("note", OptionalType(TextType(5))))


def typed() -> st.SearchStrategy[tuple[Type, Value]]:
    def of(type_: Type, values: st.SearchStrategy[Value]) -> st.SearchStrategy[tuple[Type, Value]]:
        return values.map(lambda value: (type_, value))

    plain = [of(type_, values) for type_, values in PLAIN]
    unknown = [of(OptionalType(type_), st.none() | values) for type_, values in PLAIN]  # type: ignore[arg-type]
    return st.one_of(*plain, *unknown, of(RECORD, st.tuples(*(values for _, values in PLAIN))))


@given(typed())
def test_a_value_that_went_out_comes_back(case: tuple[Type, Value]) -> None:
    type_, value = case
    message = values_pb2.Value.FromString(to_message(value, type_).SerializeToString())
    assert from_message(message, type_, "it") == value


def symbol(name: str) -> values_pb2.Value:
    return values_pb2.Value(symbol=name)


def decimal(text: str) -> values_pb2.Value:
    return values_pb2.Value(decimal=text)


HUMAN, SURE = Field(name="intent", value=symbol("human")), Field(name="confidence", value=decimal("0.93"))


def test_a_record_is_read_field_by_field() -> None:
    note = Field(name="note", value=values_pb2.Value(text="hm"))
    assert from_record([HUMAN, SURE, note], FIELDS, "it") == {
        "intent": "human",
        "confidence": 9300,
        "note": "hm",
    }


def test_an_optional_field_may_be_left_out() -> None:
    assert from_record([HUMAN, SURE], FIELDS, "it")["note"] is None


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ((HUMAN,), "field `confidence` is missing"),
        ((HUMAN, HUMAN, SURE), "field `intent` comes twice"),
        ((HUMAN, SURE, Field(name="mood")), "unknown field `mood`"),
        ((Field(name="intent"), SURE), "nothing is no `Intent`"),
        ((Field(name="intent", value=symbol("robbery")), SURE), "robbery is no `Intent`"),
        ((Field(name="intent", value=values_pb2.Value(text="human")), SURE), "a value of kind text is no `Intent`"),
        ((HUMAN, Field(name="confidence", value=decimal("1.2"))), "'1.2' is no `decimal"),
        ((HUMAN, Field(name="confidence", value=decimal(str(nan)))), "'nan' is no decimal number"),
        ((HUMAN, Field(name="confidence", value=decimal("1e-3"))), "is no decimal number"),
        ((HUMAN, Field(name="confidence", value=decimal("0.12345"))), "more than 4 decimal places"),
        ((HUMAN, SURE, Field(name="note", value=values_pb2.Value(text="too long"))), "too long is no `text max 5`"),
    ],
)
def test_a_record_outside_the_schema_is_refused(fields: tuple[Field, ...], complaint: str) -> None:
    with pytest.raises(Misfit, match=complaint):
        from_record(fields, FIELDS, "it")


@given(MS)
def test_times_and_durations_keep_their_milliseconds(ms: int) -> None:
    assert timestamp(ms).ToMilliseconds() == ms
    assert duration(ms).ToMilliseconds() == ms


def test_named_values_keep_their_declared_order() -> None:
    fields = to_fields({"confidence": 9300, "note": None, "intent": "human"}, FIELDS)
    assert [field.name for field in fields] == ["intent", "confidence", "note"]
    assert fields[2].value.WhichOneof("kind") is None
