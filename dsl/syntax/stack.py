"""How far a clause was read: the stack of an LALR parser, which builds the syntax tree as it goes."""

from collections.abc import Mapping
from typing import Any

from charter.dsl.source import Span
from charter.dsl.syntax.build import Build
from charter.dsl.syntax.tables import END, Reduction, Tables
from charter.dsl.syntax.tokens import Word


class Imagined:
    """What a stack would come to, without building anything."""

    def __init__(self, tables: Tables, states: list[int]) -> None:
        self._tables = tables
        self._states = states.copy()

    @property
    def choices(self) -> Mapping[str, int]:
        """The kinds of word that the tables have an action for; not all of them need be taken."""
        return self._tables.actions[self._states[-1]]

    def push(self, kind: str) -> bool:
        """Takes a word of this kind, or the end; false where it cannot stand here."""
        tables, states = self._tables, self._states
        while not (kind == END and states[-1] == tables.final):
            action = tables.actions[states[-1]].get(kind)
            if action is None:
                return False
            if action > 0:
                states.append(action)
                return True
            reduction = tables.reductions[-action - 1]
            del states[-reduction.length :]
            states.append(tables.actions[states[-1]][reduction.origin])
        return True


class Stack:
    """The state of reading one clause. `deep` is the first place that is nested deeper than `limit`, if any."""

    def __init__(self, tables: Tables, build: Build, limit: int) -> None:
        self._tables = tables
        self._build = build
        self._limit = limit
        self._states = [0]
        self._values: list[Any] = []
        self._spans: list[Span] = []
        self._depths: list[int] = []
        self.deep: Span | None = None

    @property
    def choices(self) -> Mapping[str, int]:
        """The kinds of word that the tables have an action for; not all of them need be taken."""
        return self._tables.actions[self._states[-1]]

    def accepted(self) -> list[str]:
        """The kinds of word that can come next, the end among them."""
        return [kind for kind in self.choices if kind == kind.upper() and self.takes(kind)]

    def takes(self, kind: str) -> bool:
        """Whether a word of this kind, or the end, can come next."""
        return self.imagined().push(kind)

    def imagined(self) -> Imagined:
        """A stack to try words on."""
        return Imagined(self._tables, self._states)

    def push(self, kind: str, word: Word) -> bool:
        """Takes a word; false where it cannot stand here."""
        actions, states = self._tables.actions, self._states
        while True:
            action = actions[states[-1]].get(kind)
            if action is None:
                return False
            if action > 0:
                states.append(action)
                self._values.append(self._build.leaf(kind, word))
                self._spans.append(word.span)
                self._depths.append(0)
                return True
            self._reduce(self._tables.reductions[-action - 1])

    def finish(self) -> Any:
        """The clause that ends here; only where the end is taken."""
        while self._states[-1] != self._tables.final:
            self._reduce(self._tables.reductions[-self._tables.actions[self._states[-1]][END] - 1])
        return self._values[-1]

    def _reduce(self, reduction: Reduction) -> None:
        length = reduction.length
        if length == 1 and reduction.passes:  # most are: one word is an expression of every level
            del self._states[-1]
            self._states.append(self._tables.actions[self._states[-1]][reduction.origin])
            return
        children = _children(reduction, self._values[-length:])
        span = self._spans[-length] if length == 1 else self._spans[-length].to(self._spans[-1])
        depth = max(self._depths[-length:])
        made: Any = children
        if reduction.build is not None:
            if reduction.passes and len(children) == 1:
                made = children[0]
            else:
                made = getattr(self._build, reduction.build)(span, *children)
                depth += 1
                if depth > self._limit and self.deep is None:
                    self.deep = span
        for stack in (self._states, self._values, self._spans, self._depths):
            del stack[-length:]
        self._states.append(self._tables.actions[self._states[-1]][reduction.origin])
        self._values.append(made)
        self._spans.append(span)
        self._depths.append(depth)


def _children(reduction: Reduction, values: list[Any]) -> list[Any]:
    """The children among the values; a list, which is part of another one, gives its own."""
    children: list[Any] = []
    for position in reduction.children:
        value = None if position is None else values[position]
        if type(value) is not list:
            children.append(value)
        elif children:
            children += value
        else:
            children = value
    return children
