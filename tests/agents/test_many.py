"""Questions that share a call: each is answered as soon as it can, and none stands in the way of another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import grpc.aio
from test_provider import REQUEST, Constant, Held, begun, services, suggestion

from charter.agents.many import FRAME, LARGEST_MESSAGE, MOST_QUESTIONS, Unanswered, answer_many
from charter.v1.suggestion_pb2 import (
    NumberedAnswer,
    NumberedQuestion,
    SuggestManyRequest,
    SuggestManyResponse,
    SuggestRequest,
    SuggestResponse,
)

Answer = Callable[[SuggestRequest], Awaitable[bytes]]


def asked(number: int, words: str = "hello", *, within_ms: int = 60_000) -> NumberedQuestion:
    question = SuggestRequest(request_id=f"r{number}", agent="classify", utterance=words, language="en")
    return NumberedQuestion(number=number, question=question, within_ms=within_ms)


async def each(*messages: SuggestManyRequest, then: asyncio.Event | None = None) -> AsyncIterator[SuggestManyRequest]:
    for message in messages:
        yield message
    if then is not None:
        await then.wait()


async def answers_to(answer: Answer, *questions: NumberedQuestion, largest: int = 65_536) -> list[SuggestManyResponse]:
    said = each(SuggestManyRequest(questions=questions))
    return [message async for message in answer_many(said, answer, largest=largest)]


def every(messages: list[SuggestManyResponse]) -> dict[int, NumberedAnswer]:
    return {one.number: one for message in messages for one in message.answers}


async def test_a_suggestion_arrives_as_over_a_call_of_its_own(serving) -> None:
    with services(Constant(suggestion())) as add:
        async with serving(add) as served:
            alone = await served.stub.Suggest(REQUEST)
            numbered = NumberedQuestion(number=7, question=REQUEST, within_ms=60_000)
            call = served.stub.SuggestMany(each(SuggestManyRequest(questions=[numbered])))
            ((message,),) = [message.answers async for message in call]
    assert (message.number, SuggestResponse.FromString(message.response)) == (7, alone)


async def test_a_question_that_is_refused_spoils_no_other(serving) -> None:
    nameless = NumberedQuestion(number=1, question=SuggestRequest(), within_ms=60_000)
    with services(Constant(suggestion())) as add:
        async with serving(add) as served:
            call = served.stub.SuggestMany(each(SuggestManyRequest(questions=[nameless, asked(2)])))
            answers = every([message async for message in call])
    assert answers[1].failure.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert answers[1].failure.message.startswith("request_id: ")
    assert answers[2].WhichOneof("outcome") == "response"


async def test_an_answer_does_not_wait_for_a_slower_one() -> None:
    slow, open_ = asyncio.Event(), asyncio.Event()

    async def answer(question: SuggestRequest) -> bytes:
        if question.utterance == "slow":
            await slow.wait()
        return question.utterance.encode()

    call = answer_many(each(SuggestManyRequest(questions=[asked(1, "slow"), asked(2, "fast")]), then=open_), answer)
    assert [one.response for one in (await anext(call)).answers] == [b"fast"]
    slow.set()
    assert [one.response for one in (await anext(call)).answers] == [b"slow"]
    open_.set()
    assert [message async for message in call] == []


async def test_what_is_withdrawn_or_too_late_never_reaches_the_provider(serving) -> None:
    provider, hold = Held(), asyncio.Event()
    late, never = asked(2, "too late", within_ms=20), asked(3, "never mind")
    with services(provider) as add:
        async with serving(add) as served:
            first = SuggestManyRequest(questions=[asked(1, "first")])
            then = SuggestManyRequest(questions=[late, never, asked(4, "last")])
            call = served.stub.SuggestMany(each(first, then, SuggestManyRequest(withdrawn=[3]), then=hold))
            await begun(provider)
            await asyncio.sleep(0.1)
            provider.released.set()
            numbers = list[int]()
            async for message in call:
                numbers += [one.number for one in message.answers]
                if len(numbers) == 2:
                    hold.set()
    assert numbers == [1, 4]
    assert provider.asked == ["first", "last"]


async def test_one_question_more_than_may_be_open_fails_at_once() -> None:
    go_on, hold = asyncio.Event(), asyncio.Event()

    async def answer(_: SuggestRequest) -> bytes:
        await go_on.wait()
        return b""

    questions = [asked(number) for number in range(MOST_QUESTIONS + 1)]
    call = answer_many(each(SuggestManyRequest(questions=questions), then=hold), answer)
    (refused,) = (await anext(call)).answers
    assert (refused.number, refused.failure.code) == (MOST_QUESTIONS, grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    go_on.set()
    assert {one.number for one in (await anext(call)).answers} == set(range(MOST_QUESTIONS))
    hold.set()
    assert [message async for message in call] == []


async def test_no_message_is_larger_than_the_contract_allows() -> None:
    async def answer(_: SuggestRequest) -> bytes:
        return b"x" * 30_000

    messages = await answers_to(answer, *(asked(number) for number in range(5)))
    assert [len(message.answers) for message in messages] == [2, 2, 1]
    assert all(message.ByteSize() <= LARGEST_MESSAGE for message in messages)


async def test_an_answer_that_fits_no_message_fails() -> None:
    async def answer(question: SuggestRequest) -> bytes:
        return b"x" * int(question.utterance)

    fits, more = LARGEST_MESSAGE - FRAME, LARGEST_MESSAGE - FRAME + 1
    messages = await answers_to(answer, asked(1, str(fits)), asked(2, str(more)))
    assert [message.ByteSize() <= LARGEST_MESSAGE for message in messages] == [True, True]
    answers = every(messages)
    assert len(answers[1].response) == fits
    assert answers[2].failure.message == f"larger than max: {more} bytes"
    assert len(every(await answers_to(answer, asked(2, str(more)), largest=-1))[2].response) == more


async def test_a_failure_says_why() -> None:
    async def answer(_: SuggestRequest) -> bytes:
        raise Unanswered(grpc.StatusCode.UNAVAILABLE, "no model")

    failure = every(await answers_to(answer, asked(1)))[1].failure
    assert (failure.code, failure.message) == (grpc.StatusCode.UNAVAILABLE.value[0], "no model")


async def test_nothing_is_worked_on_once_nobody_waits(serving) -> None:
    provider = Held()
    with services(provider) as add:
        async with serving(add, drain=10) as served:
            call = served.stub.SuggestMany(each(SuggestManyRequest(questions=[asked(1), asked(2)])))
            await begun(provider)
            call.cancel()
            await asyncio.sleep(0.1)
            provider.released.set()
            await served.stub.Suggest(REQUEST)
    assert provider.asked == ["hello", REQUEST.utterance]
