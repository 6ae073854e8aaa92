"""Z3, behind two questions. The only module that imports it.

Budgets are in Z3's own unit of work, so they are the same on every machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import z3  # type: ignore[import-untyped]  # it ships no types

from charter.verification.encode.terms import Scalar

SEED = 7


@dataclass(frozen=True, slots=True)
class Sat:
    """There is such a case: the values of the declared names."""

    values: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Unsat:
    """There is none; these of the assumptions suffice to see it, where that was asked for."""

    core: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unclear:
    """The solver gave up, and why."""

    why: str


Answer: TypeAlias = Sat | Unsat | Unclear


@dataclass(frozen=True, slots=True)
class Safe:
    """The bad state cannot be reached: an inductive invariant, as SMT-LIB over the arguments of the relation."""

    invariant: str


@dataclass(frozen=True, slots=True)
class Unsafe:
    """The bad state can be reached."""


class Cases:
    """A set of assertions that can be asked about again and again under different assumptions."""

    def __init__(self, text: str, budget: int, *, cores: bool = False) -> None:
        self._cores = cores
        self._solver = z3.Solver()
        self._solver.set("random_seed", SEED)
        self._solver.set("rlimit", budget)
        self._solver.set("core.minimize", cores)
        if not cores:  # to tell what matters to an answer takes twice the time of long paths
            self._solver.set("smt.relevancy", 0)
        self._solver.from_string(text)
        self._names: dict[str, z3.ExprRef] = {}

    def add(self, text: str) -> None:
        """More assertions; the text declares what is new in it."""
        self._solver.from_string(text)

    def ask(self, assumptions: Sequence[str], wanted: Mapping[str, str]) -> Answer:
        """Whether there is a case where all these (declared bools) hold; of it the values of the wanted names.

        `wanted`: names with their sorts, `Bool` or `Int`. What does not matter has no value.
        """
        result = self._solver.check([self._named(name, "Bool") for name in assumptions])
        if result == z3.sat and not wanted:  # to read what all is takes time
            return Sat({})
        if result == z3.sat:
            model = self._solver.model()
            found = ((name, model[self._named(name, sort)]) for name, sort in wanted.items())
            return Sat({name: _scalar(value) for name, value in found if value is not None})
        if result == z3.unsat:
            return Unsat(frozenset(c.decl().name() for c in self._solver.unsat_core()) if self._cores else frozenset())
        return Unclear(str(self._solver.reason_unknown()))

    def _named(self, name: str, sort: str) -> z3.ExprRef:
        if name not in self._names:
            self._names[name] = z3.Bool(name) if sort == "Bool" else z3.Int(name)
        return self._names[name]


def reaches(text: str, budget: int) -> Safe | Unsafe | Unclear:
    """Whether the rules of `text`, in Z3's fixed-point format, reach `bad`; the invariant is of its relation `inv`."""
    engine = z3.Fixedpoint()
    engine.set(engine="spacer", timeout=2**31)
    engine.set("rlimit", budget)
    engine.set("spacer.random_seed", SEED)
    engine.set("xform.tail_simplifier_pve", False)  # it would leave quantifiers in the invariant
    queries = engine.parse_string(text)
    try:
        result = engine.query(queries[0])
    except z3.Z3Exception as error:
        said = error.value
        return Unclear(said.decode() if isinstance(said, bytes) else str(said))
    if result == z3.unsat:
        return Safe(_invariant(engine.get_answer()))
    return Unsafe() if result == z3.sat else Unclear(str(engine.reason_unknown()))


def condition(text: str, sorts: Mapping[str, str]) -> str | None:
    """The one condition over these names that the text says, spelled anew; None where it is anything else."""
    names = {name: z3.Const(name, z3.BoolSort() if sort == "Bool" else z3.IntSort()) for name, sort in sorts.items()}
    try:
        found = z3.parse_smt2_string(f"(assert {text})", decls=names)
    except z3.Z3Exception:
        return None
    if len(found) != 1:
        return None
    free = {c.get_id() for c in names.values()}
    todo, seen = [found[0]], set()
    while todo:
        each = todo.pop()
        if each.get_id() in seen:
            continue
        seen.add(each.get_id())
        if not z3.is_app(each) or (each.decl().kind() == z3.Z3_OP_UNINTERPRETED and each.get_id() not in free):
            return None
        todo += each.children()
    return " ".join(found[0].sexpr().split())


def _invariant(answer: z3.ExprRef) -> str:
    """What the answer says of `inv`, over `k0`, `k1`, …, which are its arguments; true where it says nothing."""
    for part in answer.children() if z3.is_and(answer) else [answer]:
        body = part.body() if z3.is_quantifier(part) else part
        if not z3.is_eq(body) or body.arg(0).decl().name() != "inv":
            continue
        of, is_ = body.children()
        places = {z3.get_var_index(arg): arg.sort() for arg in of.children()}
        names = {z3.get_var_index(arg): f"k{i}" for i, arg in enumerate(of.children())}
        consts = [z3.Const(names[v], places[v]) for v in range(len(names))]
        return " ".join(z3.substitute_vars(is_, *consts).sexpr().split())
    return "true"


def _scalar(value: z3.ExprRef) -> Scalar:
    if z3.is_bool(value):
        return bool(z3.is_true(value))
    return int(value.as_long())
