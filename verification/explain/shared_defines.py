"""Defines that a requirement shares with the rules it judges: where one of them is wrong, both are wrong alike.

Such a requirement is no independent evidence of what the define says, so every report names them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass

from charter.dsl.lower.requirements import HUMAN_WANTED
from charter.dsl.syntax import tree as s


def shared_defines(documents: Iterable[s.Document]) -> Mapping[str, tuple[str, ...]]:
    """For each requirement that shares any, the defines, in the order of the policy."""
    clauses = [clause for document in documents for clause in document.clauses]
    defines = {clause.name.text: clause for clause in clauses if isinstance(clause, s.Define)}
    ruled: set[str] = set()
    required: dict[str, set[str]] = {}
    for clause in clauses:
        match clause:
            case s.Rule() | s.Section():
                ruled |= _used(clause, defines)
            case s.Require(name, form=form):
                required[name.text] = _used(form, defines)
            case s.Policy(human_wanted=wanted) if wanted is not None:
                required[HUMAN_WANTED] = _used(wanted, defines)
    shared = {name: tuple(d for d in defines if d in used & ruled) for name, used in required.items()}
    return {name: found for name, found in shared.items() if found}


def _used(node: object, defines: Mapping[str, s.Define]) -> set[str]:
    """The defines that a piece of syntax uses, also by way of others."""
    found: set[str] = set()
    pending = [node]
    while pending:
        at = pending.pop()
        name = at.name if isinstance(at, s.Ref) else at.name.text if isinstance(at, s.Apply) else ""
        if name in defines and name not in found:
            found.add(name)
            pending.append(defines[name].value)
        if isinstance(at, tuple):
            pending += at
        elif is_dataclass(at) and not isinstance(at, type):
            pending += [getattr(at, field.name) for field in fields(at)]
    return found
