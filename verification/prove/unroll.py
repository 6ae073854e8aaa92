"""Steps in a row as SMT-LIB: at each place one of several candidates happens, and the last one misses the goal."""

from collections.abc import Callable, Mapping, Sequence

from charter.verification.encode.smt import Codes, definitions, sort_of
from charter.verification.encode.symbols import known_of
from charter.verification.encode.terms import Graph, Op, Term, mentioned
from charter.verification.prove.horn import variable
from charter.verification.prove.machine import Machine
from charter.verification.prove.pictures import Class


class Unrolled:
    """A script that grows by places. `links`: columns that go on from step to step only where a name is assumed."""

    def __init__(self, machine: Machine, codes: Codes, links: Mapping[Term, str], *, facts: bool = False) -> None:
        self._machine = machine
        self._facts = facts
        self._graph: Graph = machine.graph
        self._codes = codes
        self._links = links
        self.declared: dict[str, str] = {}  # every name that is no definition, with its sort
        self.labels: dict[str, str] = {}  # those of them that say what happens
        self._said: set[str] = set()
        self._lines: list[str] = []
        for name in links.values():
            self.declare(name, "Bool")

    def taken(self) -> str:
        """What was added to the script since it was taken last."""
        lines, self._lines = self._lines, []
        return "\n".join(lines)

    def begin(self, columns: Sequence[Term]) -> None:
        """At place 0 the columns have their initial values."""
        initial = {column: self._machine.initial(column) for column in columns}
        here, name = self._columns_at(0, columns), self.place(0, list(initial.values()))
        for column, term in initial.items():
            self._linked(column, f"(= {here(column)} {name(term)})")

    def step(self, i: int, candidates: Sequence[Class], after: Sequence[Term]) -> None:
        """Where `go{i}` is assumed, a step `s{i}.{c}` happens, which leads to these columns at the next place."""
        values = [{column: c.after.get(column, column) for column in after} for c in candidates]
        name = self.place(i, [t for c, v in zip(candidates, values, strict=True) for t in (c.goes, *v.values())])
        then = self._columns_at(i + 1, after)
        self.one_of(f"go{i}", f"s{i}", [name(c.goes) for c in candidates])
        for column in after:
            alike: dict[Term, list[str]] = {}
            for number, value in enumerate(values):
                alike.setdefault(value[column], []).append(f"s{i}.{number}")
            for term, labels in alike.items():
                self._linked(column, f"(=> (or {' '.join(labels)}) (= {then(column)} {name(term)}))")

    def one_of(self, trigger: str, label: str, conditions: Sequence[str]) -> None:
        """Where `trigger` is assumed, one of these holds; `label.{number}` says which."""
        labels = [f"{label}.{c}" for c in range(len(conditions))]
        for name in (trigger, *labels):
            self.declare(name, "Bool")
        self.labels |= dict.fromkeys(labels, "Bool")
        self._lines.append(f"(assert (=> {trigger} (or {' '.join(labels)} false)))")
        self._lines += [f"(assert (=> {n} {c}))" for n, c in zip(labels, conditions, strict=True)]

    def require(self, name: str, condition: str) -> None:
        """Where `name` is assumed, this holds."""
        self.declare(name, "Bool")
        self._lines.append(f"(assert (=> {name} {condition}))")

    def hold(self, *names: str) -> None:
        """These hold."""
        self._lines += [f"(assert {name})" for name in names]

    def call(self, name: str, condition: str) -> None:
        """A name for a condition, of which the value can be asked."""
        self.declare(name, "Bool")
        self._lines.append(f"(assert (= {name} {condition}))")

    def place(self, i: int, roots: Sequence[Term]) -> Callable[[Term], str]:
        """The names of terms at a place; variables are declared, with what is always true of them."""
        graph, columns = self._graph, self._machine.encoder.columns
        free = [t for t in mentioned(graph, roots) if graph.op[t] in (Op.VAR, Op.RENDER)]
        for term in free:
            self.declare(at(graph, term, i), sort_of(graph.sort[term]))
        named = tuple(t for t in free if graph.op[t] is Op.VAR and graph.name(t) in columns)
        facts = [self._machine.always(named)] if self._facts else known_of(graph, named, columns)
        lines, name = definitions(graph, [*roots, *facts], self._codes, lambda t: at(graph, t, i), f"@{i}")
        self._lines += [line for line in lines if self._first(line)]
        for fact in (f"(assert {name(fact)})" for fact in facts):
            if fact not in self._said:
                self._said.add(fact)
                self._lines.append(fact)
        return name

    def _columns_at(self, i: int, columns: Sequence[Term]) -> Callable[[Term], str]:
        """The names of columns at a place; what is known of them all is said with the step that begins there."""
        if not self._facts:
            return self.place(i, columns)
        for column in columns:
            self.declare(at(self._graph, column, i), sort_of(self._graph.sort[column]))
        return lambda column: at(self._graph, column, i)

    def declare(self, name: str, sort: str) -> None:
        """Declares a name, if it is new."""
        if name not in self.declared:
            self.declared[name] = sort
            self._lines.append(f"(declare-const {name} {sort})")

    def _first(self, line: str) -> bool:
        name = line.split(" ", 2)[1]
        if name in self._said:
            return False
        self._said.add(name)
        return True

    def _linked(self, column: Term, fact: str) -> None:
        link = self._links.get(column)
        self._lines.append(f"(assert {fact})" if link is None else f"(assert (=> {link} {fact}))")


def at(graph: Graph, term: Term, i: int) -> str:
    """The name of a variable at a place."""
    return f"{variable(graph, term)}@{i}"
