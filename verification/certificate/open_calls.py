"""Bags of calls, in order of arrival: the first few one by one, and whether there may be more.

What came when every place was taken is not kept: from then on the bag may hold anything besides.
"""

from charter.dsl.types import RecordType
from charter.verification.certificate.columns import Columns, chosen, equal, names
from charter.verification.certificate.script import FALSE, TRUE, ZERO, Script, Sort, Term


def contains(script: Script, bag: Columns, item: Columns, of: RecordType) -> Term:
    """Whether a bag has an item."""
    found = [script.and_((bag[f"#{i}"], _same(script, bag, i, item, of))) for i in range(places(bag))]
    beyond = script.unread(f"beyond {_key(bag)} {_key(item)}", Sort.BOOL)
    return script.or_((*found, script.and_((bag["#more"], beyond))))


def some(script: Script, bag: Columns) -> Term:
    """Whether a bag has any item."""
    beyond = script.unread(f"beyond {_key(bag)}", Sort.INT)
    more = script.and_((bag["#more"], script.lt(ZERO, beyond)))
    return script.or_((*(bag[f"#{i}"] for i in range(places(bag))), more))


def size(script: Script, bag: Columns) -> Term:
    """How many items a bag has."""
    beyond = script.unread(f"beyond {_key(bag)}", Sort.INT)
    more = script.ite(script.and_((bag["#more"], script.le(ZERO, beyond))), beyond, ZERO)
    return script.arithmetic("+", script.count(bag[f"#{i}"] for i in range(places(bag))), more)


def with_(script: Script, bag: Columns, item: Columns, of: RecordType) -> Columns:
    """A bag with one more item, at its end."""
    found: dict[str, Term] = {}
    before = TRUE
    for i in range(places(bag)):
        taken = bag[f"#{i}"]
        new = chosen(script, script.and_((before, script.not_(taken))), item, _item(bag, i, of))
        found |= {f"#{i}": script.or_((taken, before)), **_placed(i, new)}
        before = taken
    return {**found, "#more": script.or_((bag["#more"], before))}


def without(script: Script, bag: Columns, item: Columns, of: RecordType) -> Columns:
    """A bag without its first item that is equal; what comes after it moves up."""
    found: dict[str, Term] = {}
    gone = FALSE
    for i in range(places(bag)):
        taken, here = bag[f"#{i}"], _item(bag, i, of)
        gone = script.or_((gone, script.and_((taken, _same(script, bag, i, item, of)))))
        last = i + 1 == places(bag)
        found[f"#{i}"] = script.ite(gone, FALSE if last else bag[f"#{i + 1}"], taken)
        found |= _placed(i, here if last else chosen(script, gone, _item(bag, i + 1, of), here))
    return {**found, "#more": bag["#more"]}


def places(bag: Columns) -> int:
    """How many items are known one by one."""
    return sum(name.removeprefix("#").isdigit() for name in bag)


def _item(bag: Columns, i: int, of: RecordType) -> Columns:
    return {name: bag[f"#{i}{name}"] for name in names(of)}


def _placed(i: int, item: Columns) -> dict[str, Term]:
    return {f"#{i}{name}": term for name, term in item.items()}


def _same(script: Script, bag: Columns, i: int, item: Columns, of: RecordType) -> Term:
    return equal(script, of, _item(bag, i, of), item)


def _key(of: Columns) -> str:
    return " ".join(term.text for term in of.values())
