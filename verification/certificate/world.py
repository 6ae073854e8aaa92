"""The variables of the translation: the state as columns, and for each kind of event its fields.

`clock` and what is owed are no variables of the program: they are the order of a conversation (`order.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from charter.dsl.program import EventKind, Program, Variable, VariableInfo
from charter.dsl.types import BOOL, TIME, TIME_MIN, BagType, Type
from charter.verification.certificate.columns import (
    Columns,
    Numbering,
    columns,
    constant,
    hollow,
    inhabited,
    limits_of,
)
from charter.verification.certificate.expressions import Expressions
from charter.verification.certificate.order import CLOCK, owed_by
from charter.verification.certificate.script import FALSE, Script, Term, number

UNCERTAIN = 2  # so many uncertain calls of a tool are known one by one


@dataclass(frozen=True, slots=True)
class World:
    """A program with the variables of its states."""

    program: Program
    write: Expressions
    state: Mapping[Variable, Columns]
    initial: Mapping[Variable, Columns]
    _fields: dict[EventKind, dict[str, Columns]] = field(default_factory=dict)

    @property
    def script(self) -> Script:
        """Where everything is written."""
        return self.write.script

    @property
    def numbering(self) -> Numbering:
        """The numbers of ids and texts."""
        return self.write.numbering

    def fields(self, kind: EventKind) -> Mapping[str, Columns]:
        """The fields of an event of that kind."""
        if kind not in self._fields:
            declared = self.program.events[kind].fields
            self._fields[kind] = {name: _fresh(self.script, f"{kind}: {name}", t) for name, t in declared}
        return self._fields[kind]

    def now(self, kind: EventKind) -> Term:
        """When an event of that kind comes."""
        return _fresh(self.script, f"{kind}: now", TIME)[""]

    def within(self, kind: EventKind) -> list[Term]:
        """That the fields of an event of that kind are within their types: where all these hold."""
        script, numbering, fields = self.script, self.numbering, self.fields(kind)
        found = [inhabited(script, numbering, t, fields[name]) for name, t in self.program.events[kind].fields]
        return [*found, inhabited(script, numbering, TIME, {"": self.now(kind)})]


def world_of(program: Program, texts: Mapping[str, int]) -> World:
    """The variables of a program; `texts` are numbers that its ids and texts have."""
    script = Script()
    write = Expressions(script, Numbering(limits_of(program), texts))
    state: dict[Variable, Columns] = {}
    initial: dict[Variable, Columns] = {}
    for name, info in program.variables.items():
        room = _places(program, info)
        state[name] = _fresh(script, name, info.type, room)
        initial[name] = constant(write.numbering, info.initial, info.type, room)
    state[CLOCK], initial[CLOCK] = _fresh(script, CLOCK, TIME), {"": number(TIME_MIN)}
    for owed in owed_by(program):
        state[owed.flag], initial[owed.flag] = _fresh(script, owed.flag, BOOL), {"": FALSE}
        state[owed.call] = _fresh(script, owed.call, owed.args)
        initial[owed.call] = hollow(owed.args)
    return World(program, write, state, initial)


def _places(program: Program, info: VariableInfo) -> int:
    """A tool has at most one open call more than it may be called in a turn: the one that is answered as exhausted."""
    tool = program.tools.get(info.name.removeprefix("calls "))
    return 0 if not isinstance(info.type, BagType) else UNCERTAIN if tool is None else tool.uses + 1


def _fresh(script: Script, name: str, type_: Type, places: int = 0) -> Columns:
    return {inner: script.variable(f"{name}{inner}", sort) for inner, sort in columns(type_, places)}
