"""A policy, agents and a server to hold conversations with: real ones, on loopback and in the test's own folder."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from charter.agents import serve as serve_agent
from charter.agents.scripted import read_script, scripted_services
from charter.dsl.load import Loaded, load
from charter.dsl.program import EventKind, Program
from charter.dsl.types import Value
from charter.engine.conversation.asks import Ask, Failed, Suggested
from charter.engine.conversation.calls import Call, Called
from charter.engine.conversation.clock import Clock
from charter.engine.conversation.conversations import Conversations
from charter.engine.conversation.flight import Flight
from charter.engine.conversation.ports import Agents, Decider, Ports, Tools
from charter.engine.conversation.record import recorder
from charter.engine.conversation.refused import Refused
from charter.engine.decide import decider
from charter.engine.deployment import AgentAt, Deployment, Limits
from charter.engine.serve.server import Settings, serve
from charter.engine.store import ConversationId, Digest, Key, Owner, RequestId, Store, open_store
from charter.v1 import conversations_pb2 as pb
from charter.v1.conversations_pb2_grpc import ConversationsStub

KEY = Key(bytes(range(32)))
HEADER = """
policy card_support
  languages en, de
  fallback queue general
  human wanted when classify.intent known== human

enum Intent { lost_card, opening_hours, human, other }
queue general    within 30 s
queue card_desk  within 20 s
disclosure recording   { en "This call is recorded."  de "Dieses Gespräch wird aufgezeichnet." }
prompt how_can_i_help  { en "How can I help?"  de "Wie kann ich helfen?" }
prompt say_again       { en "Could you say it again?"  de "Können Sie das wiederholen?" }
prompt opening_hours   { en "We are open from 9 to 5."  de "Wir haben von 9 bis 17 Uhr geöffnet." }
"""
AGENT = "agent classify suggests { intent: Intent, confidence: decimal(4) 0..1 }  within 300 ms"
RULES = """
define sure = classify.confidence known>= 0.55

rule greet     on start             do disclose recording  say how_can_i_help
rule listen    on utterance         do ask classify
rule silent    on silence or keys   do say say_again
rule lost      on classify when sure and its intent == lost_card      do escalate card_desk because "lost card"
rule hours     on classify when sure and its intent == opening_hours  do say opening_hours
rule a_human   on classify when its intent == human                   do escalate general because "asked for a human"
rule unclear   on classify when (not sure or its intent == other) and its intent != human  do say say_again
rule no_sense  on classify fails    do escalate general because "not understood: {reason}"
rule nobody    on escalate any fails  do end because "no queue answered"
"""
CARD_SUPPORT = HEADER + AGENT + RULES
TO_GENERAL = 'rule no_sense  on classify fails    do escalate general because "not understood: {reason}"'
TWICE = CARD_SUPPORT.replace(
    TO_GENERAL,
    """rule once_more on classify fails (when its reason != exhausted)  do ask classify
rule no_sense  on classify fails (when its reason == exhausted)  do escalate general because "it is of no use" """,
)
TOGETHER = (
    HEADER
    + AGENT
    + "\nagent mood suggests { cross: bool }  within 300 ms\n"
    + RULES.replace("do ask classify", "do ask classify, mood")
    + """
rule soothe on mood when its cross  do say how_can_i_help
rule calm   on mood fails           do note "no mood"
"""
)


def policy_folder(folder: Path, text: str = CARD_SUPPORT) -> Path:
    """A folder with this policy."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.charter").write_text(text, "utf-8")
    return folder


def checked(folder: Path, text: str = CARD_SUPPORT) -> Program:
    """The program of this policy."""
    loaded = load(policy_folder(folder, text))
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded.program


# --- turns without a server ------------------------------------------------------------------------------------------


@dataclass
class HeldAgents:
    """Agents that answer when the test says so. `asked` is what was asked so far; `answer` may be given beforehand."""

    asked: list[Ask] = field(default_factory=list)
    _answers: dict[int, asyncio.Future[Suggested | Failed]] = field(default_factory=dict)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, ask: Ask) -> Suggested | Failed:
        number = len(self.asked)
        self.asked.append(ask)
        self._more.set()
        return await self._future(number)

    async def until_asked(self, count: int) -> Ask:
        """The ask of that number, from 1, once it came."""
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                self._more.clear()
                await self._more.wait()
        return self.asked[count - 1]

    def answer(self, number: int, answer: Suggested | Failed) -> None:
        """The answer to the ask of that number, from 1."""
        self._future(number - 1).set_result(answer)

    def _future(self, number: int) -> asyncio.Future[Suggested | Failed]:
        return self._answers.setdefault(number, asyncio.get_running_loop().create_future())


@dataclass
class HeldTools:
    """Tools that answer when the test says so. `called` is what was called so far; answers may be given beforehand."""

    called: list[Call] = field(default_factory=list)
    _answers: dict[int, asyncio.Future[Called]] = field(default_factory=dict)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, call: Call) -> Called:
        number = len(self.called)
        self.called.append(call)
        self._more.set()
        return await asyncio.shield(self._future(number))

    async def until_called(self, count: int) -> Call:
        """The call of that number, from 1, once it came."""
        async with asyncio.timeout(20):
            while len(self.called) < count:
                self._more.clear()
                await self._more.wait()
        return self.called[count - 1]

    def answer(self, number: int, answer: Called) -> None:
        """The answer to the call of that number, from 1."""
        self._future(number - 1).set_result(answer)

    def _future(self, number: int) -> asyncio.Future[Called]:
        return self._answers.setdefault(number, asyncio.get_running_loop().create_future())


class TickingClock:
    """Goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self._now = 1_700_000_000_000

    def now(self) -> int:
        self._now += 1000
        return self._now


def suggested(intent: str, confidence: int) -> Suggested:
    """A suggestion of `classify`; the confidence is scaled by 10,000."""
    return Suggested({"intent": intent, "confidence": confidence}, ())


@dataclass
class Caller:
    """Holds one conversation with `Conversations`."""

    conversations: Conversations
    id: ConversationId = field(default_factory=lambda: ConversationId(str(uuid.uuid4())))

    async def send(
        self, kind: str, *, request: str | None = None, within: float = 4.0, **fields: Value
    ) -> pb.TurnResponse | Refused:
        """One event; the request is a new one unless it is named."""
        flight = Flight(
            id=RequestId(request or str(uuid.uuid4())),
            digest=Digest(hashlib.sha256(f"{kind} {fields}".encode()).hexdigest()),
            kind=EventKind(kind),
            fields=fields,
            until=asyncio.get_running_loop().time() + within,
        )
        answer = await self.conversations.take(self.id, flight)
        return answer if isinstance(answer, Refused) else pb.TurnResponse.FromString(answer)

    async def start(self, language: str = "en") -> pb.TurnResponse | Refused:
        """The first event."""
        return await self.send("start", channel="voice", language=language, caller=None)


def ports(
    program: Program,
    decides: Decider,
    agents: Agents,
    store: Store,
    owner: str = "test",
    *,
    tools: Tools | None = None,
    clock: Clock | None = None,
) -> Ports:
    """A turn's ports: these, and a clock that ticks unless another one is given."""
    return Ports(
        recorder=recorder(program),
        decider=decides,
        agents=agents,
        tools=tools or HeldTools(),
        store=store,
        clock=clock or TickingClock(),
        owner=Owner(owner),
    )


@asynccontextmanager
async def stored(path: Path) -> AsyncIterator[Store]:
    """A store in this file."""
    store = await asyncio.to_thread(open_store, f"sqlite:///{path}", KEY)
    try:
        yield store
    finally:
        await store.close()


# --- servers ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def scripted_agent(folder: Path, *replies: str, listen: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """A scripted agent runs here: its address."""
    script = folder / f"{uuid.uuid4()}.jsonl"
    script.write_text("\n".join(replies), "utf-8")
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    services = scripted_services(read_script(script))
    serving = serve_agent(services, listen=listen, stop=stop, ready=ready.set_result, largest_answer=-1, drain=0)
    task = asyncio.create_task(serving)
    try:
        yield await ready
    finally:
        stop.set()
        await task


@dataclass(frozen=True)
class Server:
    """A server that runs, and a client of it."""

    stub: ConversationsStub
    channel: grpc.aio.Channel
    stop: asyncio.Event
    ended: asyncio.Task[None]
    warnings: list[str]
    address: str


@asynccontextmanager
async def server(
    program: Program,
    store: Path,
    agents: Mapping[str, str] | None = None,
    tools: Mapping[str, str] | None = None,
    *,
    reflection: bool = False,
    limits: Limits | None = None,
) -> AsyncIterator[Server]:
    """A server for the policy over the store in this file, with agents at these addresses."""
    placed = {name: AgentAt(address) for name, address in (agents or {}).items()}
    deployment = Deployment(placed, tools or {}, limits=limits or Limits())
    settings = Settings(store=store, key=KEY, deployment=deployment, listen="127.0.0.1:0", reflection=reflection)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop, warnings = asyncio.Event(), list[str]()
    task = asyncio.create_task(
        serve(program, decider(program), settings, stop=stop, ready=ready.set_result, warn=warnings.append)
    )
    either: list[asyncio.Future[Any]] = [task, ready]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    address = await ready
    async with grpc.aio.insecure_channel(address) as channel:
        yield Server(ConversationsStub(channel), channel, stop, task, warnings, address)
    stop.set()
    await task


def turn(conversation: str, request: str | None = None, **event: Any) -> pb.TurnRequest:
    """A request, new unless it is named."""
    return pb.TurnRequest(conversation_id=conversation, request_id=request or str(uuid.uuid4()), **event)


def start(conversation: str, request: str | None = None, language: str = "en") -> pb.TurnRequest:
    """The request that starts a conversation."""
    begin = pb.Start(policy="card_support", channel=pb.CHANNEL_VOICE, language=language)
    return turn(conversation, request, start=begin)


def says(conversation: str, text: str, request: str | None = None) -> pb.TurnRequest:
    """The request that reports an utterance."""
    return turn(conversation, request, utterance=pb.Utterance(text=text))


def suggest(intent: str, confidence: str, utterance: str | None = None) -> str:
    """A line of a script: this suggestion, to this utterance or to any."""
    which = f'"utterance": "{utterance}", ' if utterance else ""
    return f'{{{which}"suggest": {{"intent": {{"symbol": "{intent}"}}, "confidence": {{"decimal": "{confidence}"}}}}}}'
