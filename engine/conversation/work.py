"""What is under way outside for one conversation: questions to agents and calls of tools, each in a task of its own."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from charter.dsl.program import EventKind
from charter.dsl.session import failure
from charter.dsl.types import Value
from charter.engine.conversation.asks import Ask, Failed, Reason, Suggested
from charter.engine.conversation.calls import Call, Called, NotDone, Returned, Unsure
from charter.engine.conversation.errands import Errand, Errands, Waits
from charter.engine.conversation.ports import Ports
from charter.engine.conversation.refused import Refused, refusal
from charter.engine.conversation.snapshot import Snapshot
from charter.engine.store import ConversationId, IdempotencyKey, StoreError

SETTLE_SECONDS = 60.0
"""How long the answer of a call that was uncertain is still waited for."""

Answer: TypeAlias = Suggested | Failed | Called

_log = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """What came of an errand, as an event; `answer` where somebody gave one."""

    errand: Errand
    kind: EventKind
    fields: Mapping[str, Value]
    answer: Answer | None = None


class Waiting(Protocol):
    """Who waits for what comes of an errand."""

    async def arrive(self, arrival: Arrival) -> None:
        """Takes it; raises where that cannot be done."""

    def give_up(self, why: Refused) -> None:
        """Hears that it cannot be taken."""


class Work:
    """The tasks of one conversation, by errand. Only they know who waits: a conversation that is let go of is gone.

    INVARIANT: an errand that is held and has a task here has its answer, or its failure, taken by that task.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._program = ports.recorder.program
        self._tasks: dict[IdempotencyKey, asyncio.Task[None]] = {}
        self._settling: set[IdempotencyKey] = set()

    @property
    def under_way(self) -> bool:
        """Something is."""
        return bool(self._tasks)

    def has(self, errand: Errand) -> bool:
        """Whether the errand is under way."""
        return errand.key in self._tasks

    def ask(self, by: Waiting, errand: Errand, known: Snapshot, until: float | None) -> None:
        """The question is on its way; it fails as late at `until` on the event loop's clock."""
        agent = self._program.agents[errand.name]
        ask = Ask(
            id=hashlib.sha256(errand.key.encode()).hexdigest(),  # tells an agent nothing of the conversation
            chain=(agent, *(self._program.agents[name] for name in agent.chain)),
            utterance=known.utterance,
            language=known.language,
            until=until if until is not None else asyncio.get_running_loop().time() + self._ports.limits.turn_seconds,
        )
        self._start(by, errand, self._ask(by, errand, ask))

    def call(self, by: Waiting, conversation: ConversationId, errand: Errand, language: str) -> None:
        """The call is on its way."""
        tool = self._program.tools[errand.name]
        call = Call(key=errand.key, tool=tool, args=errand.args, conversation=conversation, language=language)
        self._start(by, errand, self._call(by, errand, call))

    def fail(self, by: Waiting, errand: Errand, reason: Reason = Reason.ERROR) -> None:
        """What was asked or called, nobody knows any more what came of it."""
        kind, fields = self._failure(errand, reason)
        self._start(by, errand, by.arrive(Arrival(errand, kind, fields)), last=True)

    def keep(self, errands: Errands) -> None:
        """Only what these errands wait for goes on."""
        for key, task in self._tasks.items():
            if key not in errands and task is not asyncio.current_task():
                task.cancel()

    async def done(self) -> None:
        """Nothing is under way but what may still settle a doubt."""
        while tasks := [task for key, task in self._tasks.items() if key not in self._settling]:
            await asyncio.wait(tasks)

    def close(self) -> None:
        """Nothing is under way any more."""
        for task in self._tasks.values():
            task.cancel()

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _start(self, by: Waiting, errand: Errand, work: Awaitable[None], *, last: bool = False) -> None:
        task = asyncio.create_task(self._run(by, errand, work, last=last))
        self._tasks[errand.key] = task
        task.add_done_callback(lambda _: self._ended(errand.key, task))

    def _ended(self, key: IdempotencyKey, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
            self._settling.discard(key)

    async def _run(self, by: Waiting, errand: Errand, work: Awaitable[None], *, last: bool) -> None:
        """The outermost loop of what comes from outside: an error there is the failure of the errand, on record."""
        try:
            await work
        except Exception as error:
            if not isinstance(error, StoreError):
                _log.exception("the answer to %s could not be taken", errand.key)
            if last:
                by.give_up(refusal(error))
            else:
                self.fail(by, errand)

    async def _ask(self, by: Waiting, errand: Errand, ask: Ask) -> None:
        answer = await self._ports.agents.ask(ask)
        if isinstance(answer, Suggested):
            await by.arrive(Arrival(errand, EventKind(errand.name), answer.fields, answer))
        else:
            kind, fields = self._failure(errand, answer.reason)
            await by.arrive(Arrival(errand, kind, fields, answer))

    async def _call(self, by: Waiting, errand: Errand, call: Call) -> None:
        calling = asyncio.create_task(self._ports.tools.call(call))
        try:
            done, _ = await asyncio.wait([calling], timeout=call.tool.within / 1000)
            if done:
                await self._called(by, errand, calling.result())
                return
            kind, fields = self._failure(errand, Reason.LATE)
            if not call.tool.writes:
                calling.cancel()
            await by.arrive(Arrival(errand, kind, fields))
            if call.tool.writes:
                await self._settle(by, errand, calling)
        finally:
            calling.cancel()

    async def _called(self, by: Waiting, errand: Errand, answer: Called) -> None:
        match answer:
            case Returned(fields):
                await by.arrive(Arrival(errand, EventKind(errand.name), {**errand.args, **fields}, answer))
            case NotDone(reason):
                fields = {**errand.args, "reason": reason.value}
                await by.arrive(Arrival(errand, EventKind(f"{errand.name} fails"), fields, answer))
            case Unsure():
                await by.arrive(Arrival(errand, EventKind(f"{errand.name} uncertain"), errand.args, answer))

    async def _settle(self, by: Waiting, errand: Errand, calling: asyncio.Task[Called]) -> None:
        """The answer came too late for the turn; if it comes at all, it tells what became of the call."""
        self._settling.add(errand.key)
        done, _ = await asyncio.wait([calling], timeout=SETTLE_SECONDS)
        if done and not isinstance(calling.result(), Unsure):
            await self._called(by, errand, calling.result())

    def _failure(self, errand: Errand, reason: Reason) -> tuple[EventKind, Mapping[str, Value]]:
        """A call that writes and has no answer may have happened: it is uncertain, whatever the reason."""
        tool = self._program.tools.get(errand.name) if errand.waits is Waits.CALL else None
        if tool is not None and tool.writes:
            reason = Reason.LATE
        event = failure(self._program, errand.name, reason.value, dict(errand.args), 0)
        return event.kind, event.fields
