"""A policy with everything that a turn can wait for, and the answers of its tools."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from serving import KEY, Caller, HeldAgents, HeldTools, checked, ports, stored

from charter.dsl.program import Program
from charter.dsl.session import Step, begin, feed
from charter.dsl.types import Value
from charter.engine.audit import verify
from charter.engine.conversation.asks import Reason, Suggested
from charter.engine.conversation.calls import NotDone, Returned, Unsure
from charter.engine.conversation.clock import SystemClock
from charter.engine.conversation.conversations import Conversations
from charter.engine.conversation.ports import Agents, Told, Tools
from charter.engine.conversation.record import acts_in, event_in, whole
from charter.engine.conversation.refused import Refused
from charter.engine.conversation.snapshot import snapshot
from charter.engine.decide import Decider
from charter.engine.rule_kernel import RuleKernel
from charter.engine.store import ConversationId, Status, Store
from charter.v1 import conversations_pb2 as pb

BANK = """
policy bank
  languages en, de
  fallback queue general
  human wanted when classify.intent known== human

enum Intent { lost, more, spend, human, bye, other }
enum Colour { red, blue }
queue general  within 30 s
queue desk     within 150 ms
event start { segment: id? }
event paused { by: id }
disclosure notice { en "This call is recorded."  de "Dieses Gespräch wird aufgezeichnet." }
prompt hello   { en "Hello."    de "Hallo." }
prompt again   { en "Again?"    de "Noch einmal?" }
prompt blocked { en "Blocked."  de "Gesperrt." }
prompt paid    { en "Paid."     de "Bezahlt." }
prompt unpaid  { en "Not paid." de "Nicht bezahlt." }
prompt still   { en "Still there?"  de "Noch da?" }
prompt limit_is(limit: int 0..5000) { en "It is {limit}."  de "Es sind {limit}." }

agent classify suggests { intent: Intent, sure: bool = true }  within 300 ms

tool find(phone: id)              returns { card: id }    reads               within 300 ms
tool block(card: id)              returns { ref: id }     writes  idempotent  within 300 ms
tool pay(amount: int 0..5000)     returns { done: bool }  writes              within 300 ms  up to 2 times
assume find returns its card != its phone

fact card: id?
fact limit: int 0..5000 = 0
fact colour: Colour = red
fact paid_at_last: bool = false

rule greet      on start                          do disclose notice  say hello
rule find       on start when its caller is known do call find(phone: its caller)
rule found      on find                           do set card = its card
rule not_found  on find fails                     do note "not found: {reason}"
rule heard      on heard notice or cut notice     do note "played"
rule stop       on interrupt                      do note "interrupted"
rule wait       on silence or keys                do say again  start timer still for 60 ms
rule still      on timer still                    do say still
rule paused     on paused                         do say again
rule listen     on utterance                      do ask classify
rule lost       on classify when its intent == lost and card is known    do call block(card: card)
rule lost_who   on classify when its intent == lost and card is unknown  do escalate desk because "who is it"
rule blocked    on block                          do say blocked
rule not_blocked on block fails or block uncertain  do escalate desk because "not blocked"
rule limit      on classify when its intent == more  do say again  collect limit
rule new_limit  on collected limit                do set limit = its value  say limit_is(limit: its value)
rule no_limit   on collect limit fails            do say again
rule pay        on classify when its intent == spend   do call pay(amount: limit)
rule paid       on pay when its done              do set paid_at_last = true  say paid
rule unpaid     on pay when not its done          do say unpaid
rule pay_fails  on pay fails                      do say unpaid
rule pay_unsure on pay uncertain                  do say unpaid
rule person     on classify when its intent == human  do escalate general because "a person"
rule bye        on classify when its intent == bye   do end because "bye"
rule other      on classify when its intent == other  do say again
rule no_sense   on classify fails                 do escalate desk because "not understood: {reason}"
rule nobody     on escalate any fails             do say again
"""


def returned(**fields: Value) -> Returned:
    """The call was carried out."""
    return Returned(fields, ())


def refused(reason: Reason = Reason.ERROR) -> NotDone:
    """The call was not carried out."""
    return NotDone(reason)


def unsure() -> Unsure:
    """The call may have been carried out."""
    return Unsure()


@dataclass
class Desk:
    """A conversation under this policy, and what is behind it."""

    caller: Caller
    conversations: Conversations
    agents: HeldAgents
    tools: HeldTools
    store: Store
    program: Program
    told: list[Told] = field(default_factory=list)
    asked: int = 0

    async def start(self, caller: str | None = None) -> pb.TurnResponse | Refused:
        """The first event."""
        return await self.caller.send("start", channel="voice", language="en", caller=caller, segment=None)

    async def says(self, intent: str, *, within: float = 4.0, request: str | None = None) -> pb.TurnResponse | Refused:
        """An utterance that is understood so."""
        self.asked += 1
        self.agents.answer(self.asked, Suggested({"intent": intent, "sure": True}, ()))
        return await self.caller.send("utterance", text=intent, within=within, request=request)

    async def events(self) -> list[str]:
        """The kinds of the recorded events."""
        return [whole(record)["event"]["kind"] for record in await self.store.records(self.caller.id)]

    async def until(self, kind: str) -> None:
        """An event of this kind is on record."""
        async with asyncio.timeout(10):
            while kind not in await self.events():
                await asyncio.sleep(0.005)

    async def outbox(self, status: Status) -> list[str]:
        """What the outbox has of this status, by name."""
        return [str((entry.payload or {})["name"]) for entry in await self.store.outbox(status)]

    def again(self, *, owner: str = "test") -> "Desk":
        """The same conversation in a server that knows nothing of the first one."""
        agents, tools = HeldAgents(), HeldTools()
        conversations = _conversations(self.program, agents, tools, self.store, owner)
        caller = Caller(conversations, self.caller.id)
        return Desk(caller, conversations, agents, tools, self.store, self.program)


class Whims(Agents, Tools, Protocol):
    """Agents and tools in one."""


@asynccontextmanager
async def desk(folder: Path, text: str = BANK, *, whims: Whims | None = None) -> AsyncIterator[Desk]:
    """A conversation to be started; in the end the audit log verifies and the conversation replays as it was."""
    program = checked(folder / "policy", text)
    agents, tools = HeldAgents(), HeldTools()
    async with stored(folder / "charter.db") as store:
        conversations = _conversations(program, whims or agents, whims or tools, store, "test")
        at = Desk(Caller(conversations), conversations, agents, tools, store, program)
        with conversations.listeners.listen(at.caller.id, at.told.append):
            yield at
        conversations.close()
        await as_fed(program, store, at.caller.id)
    assert verify(f"sqlite:///{folder / 'charter.db'}", KEY).intact


def _conversations(program: Program, agents: Agents, tools: Tools, store: Store, owner: str) -> Conversations:
    decides = Decider(program, RuleKernel(program), lambda: RuleKernel(program))
    return Conversations(ports(program, decides, agents, store, owner, tools=tools, clock=SystemClock()))


async def as_fed(program: Program, store: Store, conversation: ConversationId) -> None:
    """What is on record is what the order of a conversation, as `charter.dsl.session` has it, makes of its events."""
    session, implied = begin(program), list[Step]()
    for record in await store.records(conversation):
        event = event_in(program, record)
        if implied:
            step = implied.pop(0)
            assert (step.event.kind, step.event.fields) == (event.kind, event.fields)
        elif whole(record)["dropped"]:
            continue
        else:
            session, (step, *implied) = feed(program, session, event)
            assert not step.implied
            assert step.event == event
        assert not session.waiting
        assert step.outcome.acts == acts_in(program, record)
        assert list(step.outcome.fired) == [rule["rule"] for rule in whole(record)["fired"]]
    assert not implied
    stored_ = await store.load(conversation)
    assert stored_ is None or snapshot(program, stored_).state == session.state
