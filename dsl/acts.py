"""Acts for people and for channels: how a policy spells one, and the words that are spoken."""

from collections.abc import Iterable

from charter.dsl.program import Act, ActKind, Program, Slot
from charter.dsl.types import DURATION, TextType, Type
from charter.dsl.values import spell


def spelled_act(program: Program, act: Act) -> str:
    """The act as a policy spells it, with its arguments."""
    types = dict(arguments_of(program, act))
    args = ", ".join(f"{name}: {spell(value, types[name])}" for name, value in act.args)
    return f"{act.kind} {act.name}".strip() + (f"({args})" if args else "")


def spoken(program: Program, act: Act, language: str) -> str:
    """The words of a disclosure or prompt in one of the policy's languages, its slots filled."""
    speech = program.speech[act.kind, act.name]
    args, types = dict(act.args), dict(speech.slots)
    parts = speech.texts[language]
    return "".join(spell(args[p.name], types[p.name]) if isinstance(p, Slot) else p for p in parts)


def arguments_of(program: Program, act: Act) -> Iterable[tuple[str, Type]]:
    """The names and types of an act's arguments."""
    match act.kind:
        case ActKind.CALL:
            return program.tools[act.name].args
        case ActKind.EXHAUSTED:
            return program.tools[act.name].args if act.name in program.tools else ()
        case ActKind.SAY | ActKind.DISCLOSE:
            return program.speech[act.kind, act.name].slots
        case ActKind.TIMER:
            return (("duration", DURATION),)
        case ActKind.NOTE:
            return (("text", TextType(2**31)),)
        case _:
            return ()
