"""Requests that are refused. A refused request changes nothing and is safe to send again."""

from dataclasses import dataclass
from enum import StrEnum

from charter.engine.store import Refused as CommitRefused
from charter.engine.store import StoreError, Tampered


class Why(StrEnum):
    """Why a request is refused; the value is the `reason` of the error that the caller gets."""

    INVALID = "INVALID"  # a field does not fit the policy
    NOT_STARTED = "CONVERSATION_NOT_STARTED"
    UNKNOWN = "CONVERSATION_UNKNOWN"
    STARTED = "CONVERSATION_STARTED"
    OVER = "CONVERSATION_OVER"
    TRANSFERRING = "TRANSFER_PENDING"
    UNEXPECTED = "EVENT_NOT_EXPECTED"  # such as the end of a transfer that nobody began
    REUSED = "REQUEST_ID_REUSED"
    ERASED = "ANSWER_ERASED"
    BUSY = "TURN_OPEN"  # another event of the conversation is being worked on
    OVERLOADED = "SERVER_OVERLOADED"
    OTHER_POLICY = "POLICY_NOT_SERVED"
    STORE = "STORE_UNAVAILABLE"
    TAMPERED = "CONVERSATION_TAMPERED"  # what is stored is not what was written
    BUG = "INTERNAL_ERROR"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request was not carried out, for people too; `field` is the one at fault where it is one. `cause` is for
    the operator, and does not leave the server."""

    why: Why
    detail: str
    field: str = ""
    cause: str = ""

    @property
    def logged(self) -> str:
        """What the server's log says of it."""
        return self.cause or self.detail


UNKNOWN = Refused(Why.UNKNOWN, "there is no such conversation")
OTHER_POLICY = Refused(Why.OTHER_POLICY, "the version of the policy that the conversation runs under is not served")
REUSED = Refused(Why.REUSED, "the request_id was used for another request")
ELSEWHERE = Refused(Why.BUSY, "another server works on the conversation")
OVERLOADED = Refused(Why.OVERLOADED, "the server has as much under way as it takes on")
BUG = Refused(Why.BUG, "an error that is ours; it is in the server's log")


def refusal(error: Exception) -> Refused:
    """What the caller is told where an error ended its request."""
    match error:
        case CommitRefused():  # another process was faster
            return ELSEWHERE
        case Tampered():
            return Refused(Why.TAMPERED, str(error))
        case StoreError():
            return Refused(Why.STORE, "the store cannot be used now", cause=str(error))
        case _:
            return BUG
