"""The customers of the demo bank, read from a JSON file: what they have, and what goes wrong for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

STATES = ("active", "blocked", "expired", "in_the_mail")


class InvalidBank(ValueError):
    """A file that no bank can be made of; the message names it and the place."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong with one tool for one customer: it answers after `slow_ms`, and refuses where it has a reason."""

    slow_ms: int = 0
    refuses: str = ""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer with one card. `birth_date` and `account`, its number, are what the customer knows; `number` is
    what stands on the card.
    """

    id: str
    phone: str
    birth_date: str
    account: str
    card: str
    number: str
    state: str
    balance: Decimal
    limit: int
    highest_limit: int
    trouble: Mapping[str, Trouble] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BankData:
    """Everything that a bank begins with. `suspicious` are phrases, by language, that fraudsters make customers say."""

    customers: tuple[Customer, ...]
    suspicious: Mapping[str, tuple[str, ...]]


def read_bank(path: Path) -> BankData:
    """Returns the bank in a file. Raises `InvalidBank`."""
    try:
        document = json.loads(path.read_text("utf-8"))
        customers = tuple(read_customer(one) for one in document["customers"])
        suspicious = {language: tuple(phrases) for language, phrases in document["suspicious"].items()}
    except OSError as error:
        raise InvalidBank(f"{path}: cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise InvalidBank(f"{path}: {error} is missing") from error
    except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
        raise InvalidBank(f"{path}: {' '.join(str(error).split())}") from error
    for name in ("id", "phone", "card", "number"):
        if len({getattr(one, name) for one in customers}) < len(customers):
            raise InvalidBank(f"{path}: two customers have the same {name}")
    return BankData(customers, suspicious)


def read_customer(content: Mapping[str, Any]) -> Customer:
    state = text_of(content, "state")
    if state not in STATES:
        wrong(f"`{state}` is no state of a card; there are {', '.join(STATES)}")
    return Customer(
        id=text_of(content, "id"),
        phone=text_of(content, "phone"),
        birth_date=text_of(content, "birth_date"),
        account=text_of(content, "account"),
        card=text_of(content, "card"),
        number=text_of(content, "number"),
        state=state,
        balance=Decimal(text_of(content, "balance")),
        limit=number_of(content, "limit"),
        highest_limit=number_of(content, "highest_limit"),
        trouble={tool: Trouble(**one) for tool, one in content.get("trouble", {}).items()},
    )


def text_of(content: Mapping[str, Any], name: str) -> str:
    value = content[name]
    return value if isinstance(value, str) else wrong(f"`{name}` is a text")


def number_of(content: Mapping[str, Any], name: str) -> int:
    value = content[name]
    return value if isinstance(value, int) and not isinstance(value, bool) else wrong(f"`{name}` is a whole number")


def wrong(sentence: str) -> NoReturn:
    raise ValueError(sentence)
