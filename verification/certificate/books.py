"""What is always true of the books and of types, whatever the rules do; checked beside the invariants, like them.

A prover takes these for granted: that a number stays within its type, that nothing is open before `start` or beyond the
bounds of its turn, that a second place is taken only after the first.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from charter.dsl.program import (
    OVER,
    STARTED,
    TRANSFERRING,
    TURN_OPEN,
    Lifetime,
    Role,
    Variable,
    escalating,
    exhausted,
    used,
)
from charter.dsl.types import TIME, BagType
from charter.verification.certificate.columns import Columns, inhabited
from charter.verification.certificate.open_calls import places
from charter.verification.certificate.order import CLOCK
from charter.verification.certificate.script import ZERO, Term
from charter.verification.certificate.world import World


def books(world: World, state: Mapping[Variable, Columns]) -> Mapping[str, Term]:
    """What is true of the books in this state, each with what it is about."""
    return dict((*_types(world, state), *_open(world, state), *_asked(world, state), *_called(world, state)))


def _types(world: World, state: Mapping[Variable, Columns]) -> Iterator[tuple[str, Term]]:
    script = world.script
    for name, info in world.program.variables.items():
        yield f"type of `{name}`", inhabited(script, world.numbering, info.type, state[name])
        if isinstance(info.type, BagType):
            taken = [state[name][f"#{i}"] for i in range(places(state[name]))]
            one_by_one = (script.or_((script.not_(b), a)) for a, b in pairwise(taken))
            yield f"places of `{name}`", script.and_(one_by_one)
    yield "type of the clock", inhabited(script, world.numbering, TIME, state[CLOCK])


def _open(world: World, state: Mapping[Variable, Columns]) -> Iterator[tuple[str, Term]]:
    """Nothing is open before `start`; a transfer that waits is one that is under way."""
    script, program = world.script, world.program
    first: list[Term] = []
    for name, info in program.variables.items():
        if info.role is Role.BOOKKEEPING and info.lifetime is Lifetime.CONVERSATION:
            first += [
                script.eq(term, world.initial[name][inner])
                for inner, term in state[name].items()
                if "." not in inner  # what is in a place that is not taken means nothing
            ]
    yield "before `start`", script.or_((state[STARTED][""], script.and_(first)))
    for queue in program.queues:
        going, transferring = state[escalating(queue)][""], state[TRANSFERRING][""]
        yield f"transfer to `{queue}`", script.or_((script.not_(going), transferring))


def _asked(world: World, state: Mapping[Variable, Columns]) -> Iterator[tuple[str, Term]]:
    """Nothing is asked between turns, during a transfer or after the end, nor more than a turn allows."""
    script = world.script
    quiet = script.or_((script.not_(state[TURN_OPEN][""]), state[TRANSFERRING][""], state[OVER][""]))
    for name in world.program.agents:
        pending = state[Variable(f"pending {name}")][""]
        yield f"asks of `{name}` end", script.or_((script.not_(quiet), script.eq(pending, ZERO)))
        yield f"asks of `{name}`", script.le(pending, _spent(world, state, name))


def _called(world: World, state: Mapping[Variable, Columns]) -> Iterator[tuple[str, Term]]:
    """No call is open between turns, and none beyond what a turn allows; after the end, none is new."""
    script = world.script
    over, closed = state[OVER][""], script.not_(state[TURN_OPEN][""])
    for name in world.program.tools:
        calls = state[Variable(f"calls {name}")]
        count = script.count(calls[f"#{i}"] for i in range(places(calls)))
        yield f"calls of `{name}` end", script.or_((over, script.not_(closed), script.eq(count, ZERO)))
        yield f"calls of `{name}`", script.or_((over, script.le(count, _spent(world, state, name))))
        yield f"places for calls of `{name}`", script.not_(calls["#more"])


def _spent(world: World, state: Mapping[Variable, Columns], name: str) -> Term:
    """How often an agent or tool was used in this turn, and once more where it is exhausted."""
    return world.script.arithmetic("+", state[used(name)][""], world.script.count([state[exhausted(name)][""]]))
