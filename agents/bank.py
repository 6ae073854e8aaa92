"""The demo bank: every tool of the policy `card_support`, over a few customers, and a fraud score. Not a real bank.

What it does lasts as long as its process. It also stands for the telephone system that records calls, and there a
recording that a customer stopped is never resumed, whatever it is called for.
"""

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from charter.agents.bank_data import STATES, BankData, Customer, Trouble
from charter.agents.suggestion import (
    Abstention,
    Description,
    Field,
    FieldSchema,
    Identifier,
    Question,
    Suggestion,
    Symbol,
    Value,
)
from charter.agents.tool import Outcome, Refusal, Result, ToolCall, ToolSchema
from charter.agents.utterances import normal

CALM, SUSPICIOUS = Decimal("0.0500"), Decimal("0.9100")


def schema(name: str, arguments: str, results: str, *, writes: bool = False, idempotent: bool = False) -> ToolSchema:
    """Returns a schema from fields as a policy spells them: `card: id, limit: int 0..5000`."""

    def fields(text: str) -> tuple[FieldSchema, ...]:
        pairs = [part.split(": ") for part in text.split(", ")]
        return tuple(FieldSchema(one, type_, STATES if type_ == "enum" else ()) for one, type_ in pairs)

    return ToolSchema(name, fields(arguments), fields(results), writes, idempotent)


BALANCE = "decimal(2) -1000000.00..1000000.00"
TOOLS = (
    schema("find_customer", "phone: id", "customer: id, card: id"),
    schema("check_identity", "customer: id, birth_date: id, last_digits: id", "right: bool"),
    schema("block_card", "card: id", "reference: id", writes=True, idempotent=True),
    schema("get_balance", "card: id", f"balance: {BALANCE}"),
    schema("card_state", "card: id", "state: enum"),
    schema("set_limit", "card: id, limit: int 0..5000", "done: bool", writes=True),
    schema("send_pin", "card: id", "reference: id", writes=True),
    schema("note_travel", "card: id", "reference: id", writes=True, idempotent=True),
    schema("activate_card", "number: id", "active: bool", writes=True),
    schema("log_complaint", "topic: id", "case: id", writes=True),
    schema("flag_support", "customer: id", "noted: bool", writes=True, idempotent=True),
    schema("pause_recording", "why: id", "paused: bool", writes=True, idempotent=True),
    schema("resume_recording", "why: id", "resumed: bool", writes=True, idempotent=True),
    schema("continue_recording", "why: id", "resumed: bool", writes=True, idempotent=True),
    schema("stop_recording", "why: id", "stopped: bool", writes=True, idempotent=True),
)


@dataclass(slots=True)
class Account:
    """What changes about a customer."""

    customer: Customer
    state: str
    limit: int
    supported: bool = False


@dataclass(slots=True)
class Bank:
    """A `ToolBox`. INVARIANT: a blocked card stays blocked, a stopped recording stays stopped."""

    data: BankData
    name: str = "demo bank"
    tools: tuple[ToolSchema, ...] = TOOLS
    _accounts: dict[str, Account] = field(init=False)
    _stopped: set[str] = field(init=False, default_factory=set)
    _papers: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._accounts = {one.id: Account(one, one.state, one.limit) for one in self.data.customers}

    async def call(self, call: ToolCall) -> Outcome:
        """See `ToolBox`. Who is in trouble waits, or is refused."""
        account = self._account(call)
        trouble = account.customer.trouble.get(call.tool, Trouble()) if account else Trouble()
        await asyncio.sleep(trouble.slow_ms / 1000)
        if trouble.refuses:
            return Refusal(trouble.refuses)
        if account is not None:
            return self._for_customer(call, account)
        match call.tool:
            case "log_complaint":
                return result("case", Identifier(self._paper("complaint")))
            case "stop_recording":
                self._stopped.add(call.conversation)
                return result("stopped", True)
            case "pause_recording":
                return result("paused", True)
            case "resume_recording" | "continue_recording":
                return result("resumed", call.conversation not in self._stopped)
            case "activate_card":
                return result("active", False)
            case _:
                return Refusal("nobody here is known by that")

    def _for_customer(self, call: ToolCall, account: Account) -> Outcome:
        customer = account.customer
        match call.tool:
            case "find_customer":
                return Result((Field("customer", Identifier(customer.id)), Field("card", Identifier(customer.card))))
            case "check_identity":
                known = {"birth_date": customer.birth_date, "last_digits": customer.account[-4:]}
                return result("right", all(call.argument(one) == Identifier(text) for one, text in known.items()))
            case "block_card":
                account.state = "blocked"
                return result("reference", Identifier(self._paper("block")))
            case "get_balance":
                return result("balance", customer.balance)
            case "card_state":
                return result("state", Symbol(account.state))
            case "set_limit":
                limit = call.argument("limit")
                done = isinstance(limit, int) and limit <= customer.highest_limit
                account.limit = limit if done and isinstance(limit, int) else account.limit
                return result("done", done)
            case "send_pin" | "note_travel":
                return result("reference", Identifier(self._paper(call.tool.partition("_")[2])))
            case "activate_card":
                account.state = "active" if account.state == "in_the_mail" else account.state
                return result("active", account.state == "active")
            case "flag_support":
                account.supported = True
                return result("noted", True)
            case _:
                return Refusal(f"`{call.tool}` is not about customers")

    def _account(self, call: ToolCall) -> Account | None:
        """Whom the call is about, by whichever argument says so."""
        for account in self._accounts.values():
            for argument, name in (("customer", "id"), ("phone", "phone"), ("card", "card"), ("number", "number")):
                if call.argument(argument) == Identifier(getattr(account.customer, name)):
                    return account
        return None

    def _paper(self, kind: str) -> str:
        self._papers += 1
        return f"{kind}-{self._papers:04}"


@dataclass(frozen=True, slots=True)
class FraudScore:
    """Suggests `score`: high where the caller says what fraudsters make their victims say."""

    data: BankData

    def describe(self) -> Description:
        """Says what is served."""
        return Description(name="fraud_score", fields=(FieldSchema("score", "decimal(4) 0..1"),), model="phrases")

    def suggest(self, question: Question) -> Suggestion | Abstention:
        """Scores the utterance."""
        phrases = self.data.suspicious.get(question.language.partition("-")[0].lower())
        if phrases is None:
            return Abstention(f"there are no phrases in the language `{question.language}`"[:200])
        said = f" {normal(question.utterance)} "
        suspicious = any(f" {normal(phrase)} " in said for phrase in phrases)
        return Suggestion((Field("score", SUSPICIOUS if suspicious else CALM),))


def result(name: str, value: Value) -> Result:
    return Result((Field(name, value),))
