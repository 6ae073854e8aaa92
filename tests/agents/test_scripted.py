"""The scripted agent does what its script says, however wrong that is."""

import json
import subprocess
import sys
from pathlib import Path

import grpc.aio
import pytest

from charter.agents.scripted import InvalidScript, Script, read_script, scripted_services
from charter.v1.suggestion_pb2 import DescribeRequest, SuggestRequest, SuggestResponse
from charter.v1.suggestion_pb2_grpc import SuggestionProviderStub
from charter.v1.validation import violations


def question(utterance: str = "hello", agent: str = "classify", language: str = "en") -> SuggestRequest:
    return SuggestRequest(request_id="r1", agent=agent, utterance=utterance, language=language)


@pytest.fixture
def script(tmp_path: Path):
    def read(*lines: dict[str, object]) -> Script:
        path = tmp_path / "script.jsonl"
        path.write_text("\n".join(json.dumps(line) for line in lines))
        return read_script(path)

    return read


async def answer_of(serving, script: Script, request: SuggestRequest, timeout: float | None = None) -> SuggestResponse:
    async with serving(scripted_services(script), largest_answer=-1) as served:
        return await served.stub.Suggest(request, timeout=timeout)


async def failure_of(serving, script: Script, timeout: float | None = None) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer_of(serving, script, question(), timeout)
    return caught.value.code()


async def test_it_suggests_typed_values(serving, script) -> None:
    values = {"intent": {"symbol": "human"}, "confidence": {"decimal": "0.9312"}, "mood": {}}
    answer = await answer_of(serving, script({"suggest": values}), question())
    assert [(one.name, one.value.WhichOneof("kind")) for one in answer.suggestion.fields] == [
        ("intent", "symbol"),
        ("confidence", "decimal"),
        ("mood", None),
    ]
    assert violations(answer) == ()


async def test_it_abstains(serving, script) -> None:
    answer = await answer_of(serving, script({"abstain": "no idea"}), question())
    assert (answer.request_id, answer.abstention.reason) == ("r1", "no idea")


async def test_it_abstains_where_the_script_has_no_reply(serving, script) -> None:
    answer = await answer_of(serving, script({"utterance": "something else", "hang": True}), question())
    assert answer.abstention.reason == "the script has no reply to this"


async def test_the_reply_that_names_the_most_is_used(serving, script) -> None:
    said = script(
        {"abstain": "any"},
        {"utterance": "hello", "abstain": "utterance"},
        {"utterance": "hello", "agent": "classify", "abstain": "utterance and agent"},
        {"utterance": "hello", "agent": "classify", "language": "de", "abstain": "all"},
    )
    asked = [question("bye"), question(agent="other"), question(), question(language="de")]
    answers = [(await answer_of(serving, said, one)).abstention.reason for one in asked]
    assert answers == ["any", "utterance", "utterance and agent", "all"]


async def test_replies_to_one_question_come_in_order_and_the_last_repeats(serving, script) -> None:
    said = script({"fail": "UNAVAILABLE"}, {"abstain": "second"}, {"abstain": "third"})
    async with serving(scripted_services(said)) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.stub.Suggest(question())
        reasons = [(await served.stub.Suggest(question())).abstention.reason for _ in range(3)]
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reasons == ["second", "third", "third"]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL", "PERMISSION_DENIED"])
async def test_it_fails_with_the_status_of_the_script(serving, script, code) -> None:
    assert await failure_of(serving, script({"fail": code})) == grpc.StatusCode[code]


@pytest.mark.parametrize("deed", [{"hang": True}, {"abstain": "late", "after_ms": 60_000}], ids=["hangs", "is late"])
async def test_it_outlasts_the_deadline(serving, script, deed) -> None:
    assert await failure_of(serving, script(deed), timeout=0.1) == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_it_waits_before_it_answers(serving, script) -> None:
    answer = await answer_of(serving, script({"abstain": "slow", "after_ms": 20}), question(), timeout=30)
    assert answer.abstention.reason == "slow"


async def test_it_answers_another_request(serving, script) -> None:
    answer = await answer_of(serving, script({"abstain": "mixed up", "request_id": "r2"}), question())
    assert answer.request_id == "r2"


@pytest.mark.parametrize(
    ("deed", "field"),
    [
        ({"suggest": {"confidence": {"decimal": "NaN"}}}, "suggestion.fields[0].value.decimal"),
        ({"suggest": {"confidence": {"decimal": "certain"}}}, "suggestion.fields[0].value.decimal"),
        ({"suggest": {"": {"symbol": "human"}}}, "suggestion.fields[0].name"),
        ({"oversized": 70_000}, "suggestion.fields[0].value.text"),
        ({"empty": True}, "outcome"),
    ],
    ids=["not a number", "words for a number", "nameless field", "oversized field", "no outcome"],
)
async def test_it_breaks_the_rules_of_the_contract(serving, script, deed, field) -> None:
    answer = await answer_of(serving, script(deed), question())
    assert [one.field for one in violations(answer)] == [field]


async def test_it_sends_a_message_too_large_for_its_caller(serving, script) -> None:
    async with serving(scripted_services(script({"oversized": 70_000})), largest_answer=-1) as served:
        bound = [("grpc.max_receive_message_length", 64 * 1024)]
        async with grpc.aio.insecure_channel(served.address, options=bound) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await SuggestionProviderStub(channel).Suggest(question())
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_it_sends_bytes_that_are_no_message(serving, script) -> None:
    assert await answer_of(serving, script({"garbage": "ffffff"}), question()) is None  # what grpc.aio makes of them


async def test_it_still_keeps_its_caller_to_the_contract(serving, script) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer_of(serving, script({"abstain": "no idea"}), SuggestRequest())
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_it_describes_itself_as_the_script_says(serving, script) -> None:
    fields = [{"name": "intent", "type": "enum", "symbols": ["human", "other"]}]
    async with serving(scripted_services(script({"describe": {"name": "classify", "fields": fields}}))) as served:
        answer = await served.stub.Describe(DescribeRequest())
    assert (answer.name, list(answer.fields[0].symbols)) == ("classify", ["human", "other"])


def test_its_process_dies_in_the_middle_of_a_call(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text('{"exit": 3}')
    command = [sys.executable, "-m", "charter.agents", "scripted", "--script", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as caught:
            SuggestionProviderStub(channel).Suggest(question())
        assert process.wait() == 3
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "Expecting property name"),
        ("[]", "a line is a JSON object"),
        ("{}", "a reply does exactly one thing, and this one names none"),
        ('{"abstain": "a", "hang": true}', "a reply does exactly one thing, and this one names `abstain`, `hang`"),
        ('{"dance": true}', "`dance` is not something that a reply can do with true"),
        ('{"fail": "BADLY"}', '`fail` is not something that a reply can do with "BADLY"'),
        ('{"garbage": "xyz"}', "non-hexadecimal"),
        ('{"utterance": 1, "hang": true}', "`utterance` is a string"),
        ('{"after_ms": -1, "hang": true}', "`after_ms` is a number of milliseconds, such as 250"),
        ('{"suggest": {"intent": {"word": "human"}}}', 'no field named "word"'),
        ('{"describe": {"nickname": "x"}}', 'no field named "nickname"'),
    ],
)
def test_a_script_that_cannot_be_followed_names_file_and_line(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(f'{{"hang": true}}\n\n{line}\n')
    with pytest.raises(InvalidScript) as caught:
        read_script(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
