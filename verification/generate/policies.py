"""Random policies: well typed, guarded, acyclic, every failure handled, so that each of them loads.

They are written as text and cover every construct of the language, so that whatever reads, runs or proves policies can
be tried on them. `events` has what may happen to them.
"""

from dataclasses import dataclass, replace
from random import Random

from charter.dsl.types import EnumType, IdType, OptionalType
from charter.verification.generate.expressions import Condition, literal
from charter.verification.generate.requirements import requirements_of
from charter.verification.generate.rules import Block, rules_of
from charter.verification.generate.world import Size, World, declare

__all__ = ["Block", "Draft", "Size", "draft", "permuted"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy as it is written, in parts."""

    header: str
    declarations: tuple[str, ...]
    blocks: tuple[Block, ...]
    requirements: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole policy."""
        rules = (block.text for block in self.blocks)
        return "\n".join((self.header, *self.declarations, *rules, *self.requirements)) + "\n"


def draft(rng: Random, size: Size | None = None) -> Draft:
    """A random policy; the same one for the same state of `rng`."""
    size = size or Size()
    world = declare(rng, size)
    human = _human(rng, world)
    blocks, rules = rules_of(rng, world, rng.randint(size.rules // 2, size.rules), human)
    requirements = requirements_of(rng, world, rules, rng.randint(0, size.requirements))
    wanted = f"\n  human wanted when {human.text}" if human is not None else ""
    header = f"policy generated\n  languages {', '.join(world.languages)}\n  fallback queue {world.queues[0]}{wanted}"
    declarations = list(world.texts)
    rng.shuffle(declarations)
    return Draft(header, tuple(declarations), blocks, requirements)


def permuted(rng: Random, of: Draft) -> Draft:
    """The same policy with its rules in another order; those of a section stay together."""
    blocks = [replace(block, rules=tuple(rng.sample(block.rules, len(block.rules)))) for block in of.blocks]
    rng.shuffle(blocks)
    return replace(of, blocks=tuple(blocks))


def _human(rng: Random, world: World) -> Condition | None:
    """When a person is wanted: a value that the first agent may suggest."""
    if rng.random() < 0.6:
        return None
    for name, type_ in world.agents["a0"]:
        plain = type_.of if isinstance(type_, OptionalType) else type_
        if isinstance(plain, EnumType | IdType):
            return Condition(f"a0.{name} known== {literal(rng, plain)}")
    return None
