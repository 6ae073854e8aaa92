"""The memory of a server over many conversations. `python bench/memory.py [CONVERSATIONS]`, 100,000 unless said.

Each conversation is greeted, asks, presses a key, and then is hung up, handed to a person, handed to nobody, or left
alone; each starts a timer, which rings in those that are left alone. A request that comes while a turn is open is sent
again, as a client does. Writes `bench/out/memory.json`.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc.aio
from served import POLICY, WANTS_A_PERSON, served

from charter.v1 import conversations_pb2 as pb
from charter.v1.conversations_pb2_grpc import ConversationsStub

CONVERSATIONS = 100_000
AT_ONCE = 40
LOOKS = 20
AGAIN = 100
"""How often a request is sent again at most."""
AGAIN_SECONDS = 0.2  # what the server's RetryInfo says
GREET = "do disclose recording  say how_can_i_help"
WITH_TIMER = (
    POLICY.replace(GREET, f"{GREET}  start timer nudge for 10 s") + "rule nudge on timer nudge  do say say_again"
)


@dataclass(frozen=True)
class Look:
    """After so many conversations: seconds, MiB in memory of the server with the process that writes for it, and MiB of
    its store on disk."""

    conversations: int
    seconds: float
    memory: float
    store: float


async def hold(stub: ConversationsStub, number: int) -> None:
    """One conversation, which ends in one of four ways."""
    name = str(uuid.uuid4())

    async def turn(**event: object) -> pb.TurnResponse:
        request = pb.TurnRequest(conversation_id=name, request_id=str(uuid.uuid4()), **event)  # type: ignore[arg-type]
        for _ in range(AGAIN):
            try:
                return await stub.Turn(request)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(AGAIN_SECONDS)
        return await stub.Turn(request)

    await turn(start=pb.Start(policy="bench", channel=pb.CHANNEL_VOICE, language="en"))
    await turn(utterance=pb.Utterance(text="when are you open tomorrow?"))
    await turn(keys=pb.Keys(digits="1"))
    match number % 4:
        case 0:
            await turn(hangup=pb.Hangup())
        case 1:
            await turn(utterance=pb.Utterance(text=WANTS_A_PERSON))
            await turn(escalated=pb.Escalated(queue="general"))
        case 2:
            await turn(utterance=pb.Utterance(text=WANTS_A_PERSON))
            await turn(escalate_failed=pb.EscalateFailed(queue="general", reason=pb.FAILURE_REASON_ERROR))


def resident(pids: Iterable[int]) -> float:
    """MiB of processes that are in memory."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def main(conversations: int) -> None:
    """Prints a table as it goes, and writes it."""
    looks: list[Look] = []
    with tempfile.TemporaryDirectory() as work:
        async with served(Path(work), WITH_TIMER, 1) as at:
            stubs = [ConversationsStub(channel) for channel in at.channels]
            began = time.monotonic()
            print(f"{'conversations':>14}{'seconds':>9}{'server MiB':>12}{'store MiB':>11}")
            for look in range(LOOKS):
                numbers = iter(range(look * conversations // LOOKS, (look + 1) * conversations // LOOKS))

                async def caller(stub: ConversationsStub, numbers: object = numbers) -> None:
                    for number in numbers:  # type: ignore[attr-defined]
                        await hold(stub, number)

                await asyncio.gather(*(caller(stubs[place % len(stubs)]) for place in range(AT_ONCE)))
                size = sum(file.stat().st_size for file in Path(work).glob("charter.db*")) / 2**20
                done = (look + 1) * conversations // LOOKS
                looks.append(Look(done, time.monotonic() - began, resident((*at.server, *at.writers)), size))
                row = looks[-1]
                print(f"{row.conversations:>14}{row.seconds:>9.0f}{row.memory:>12.1f}{row.store:>11.1f}", flush=True)
    first, last = looks[len(looks) // 2 - 1], looks[-1]
    growth = (last.memory - first.memory) * 2**20 / (last.conversations - first.conversations)
    print(f"in the second half {growth:.0f} bytes a conversation")
    out = Path(__file__).parent / "out" / "memory.json"
    out.parent.mkdir(exist_ok=True)
    result = {"looks": [asdict(look) for look in looks], "bytes_a_conversation_in_the_second_half": growth}
    out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else CONVERSATIONS))
