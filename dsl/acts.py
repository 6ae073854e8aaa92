"""Acts for people and for channels: how a policy spells one, and the words that are spoken."""

from collections.abc import Iterable

from charter.dsl.program import Act, ActKind, Program, Slot
from charter.dsl.types import DURATION, DecimalType, OptionalType, TextType, Type, Value
from charter.dsl.values import spell

# The languages of two letters that write 0,5, and the regions of theirs that write 0.5, by the CLDR of Babel 2.19.
_COMMA = """
af az ba be bg br bs ca cs cv da de el eo es et eu ff fi fo fr fy gl hr ht hu hy ia id ie is it jv ka kk kl ku ky lb ln
lo lt lu lv mk nb nl nn no nr pl ps pt rm rn ro ru rw sc se sg sk sl sq sr ss su sv tg tk tr ts tt uk uz ve vi wo
"""
_POINT = "de_ch de_li es_419 es_br es_bz es_cu es_do es_gt es_hn es_mx es_ni es_pa es_pe es_pr es_sv es_us fr_rw it_ch"


def spelled_act(program: Program, act: Act) -> str:
    """The act as a policy spells it, with its arguments."""
    types = dict(arguments_of(program, act))
    args = ", ".join(f"{name}: {spell(value, types[name])}" for name, value in act.args)
    return f"{act.kind} {act.name}".strip() + (f"({args})" if args else "")


def spoken(program: Program, act: Act, language: str) -> str:
    """The words of a disclosure or prompt in one of the policy's languages, its slots filled as it writes them."""
    speech = program.speech[act.kind, act.name]
    args, types = dict(act.args), dict(speech.slots)
    parts = speech.texts[language]
    return "".join(_worded(args[p.name], types[p.name], language) if isinstance(p, Slot) else p for p in parts)


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


def _worded(value: Value, type_: Type, language: str) -> str:
    """The value as a language writes it: a decimal with the language's mark, anything else as a policy spells it."""
    match type_:
        case OptionalType(of) if value is not None:
            return _worded(value, of, language)
        case DecimalType() if _writes_comma(language.lower()):
            return spell(value, type_).replace(".", ",")
        case _:
            return spell(value, type_)


def _writes_comma(language: str) -> bool:
    return language.partition("_")[0] in _COMMA.split() and language not in _POINT.split()
