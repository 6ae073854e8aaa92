"""Small policies for tests: a header that any fragment completes, and readers of what was done."""

from charter.dsl.acts import spelled_act
from charter.dsl.load import Loaded, Rejected, load_text
from charter.dsl.program import Event, EventKind, Program
from charter.dsl.session import Session, Step, begin, feed
from charter.dsl.types import Value

HEADER = """
policy small
  languages en
  fallback queue general
enum Intent { yes, no }
queue general within 30 s
queue desk within 30 s
agent guess suggests { intent: Intent, sure: decimal(2) 0..1 } within 300 ms
tool look(key: id) returns { found: bool } reads within 1 s
tool write(key: id) returns { done: bool } writes within 1 s
disclosure notice { en "Notice." }
prompt hello { en "Hello." }
prompt bye { en "Bye." }
rule unanswered on silence or keys or utterance do say hello
rule failed on guess fails or look fails or write fails or write uncertain do escalate general
rule nobody on escalate any fails do end because "nobody"
"""


def program_of(fragment: str, header: str = HEADER) -> Program:
    """The program of a fragment after the header; it must load."""
    loaded = load_text(header + fragment)
    assert isinstance(loaded, Loaded), str(loaded) if isinstance(loaded, Rejected) else ""
    return loaded.program


class Conversation:
    """A conversation under a program: each call is one recorded event, one second after the last."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.session: Session = begin(program)
        self.now = 0

    def on(self, kind: str, **fields: Value) -> tuple[Step, ...]:
        """Feeds one event; a start's fields have defaults."""
        if kind == "start":
            fields = {"channel": "voice", "language": "en", "caller": None} | fields
        if kind == "utterance":
            fields = {"text": "…"} | fields
        self.now += 1000
        self.session, steps = feed(self.program, self.session, Event(EventKind(kind), fields, self.now))
        return steps

    def acts(self, kind: str, **fields: Value) -> list[str]:
        """Feeds one event; all acts that it led to, as a policy spells them."""
        return [spelled_act(self.program, act) for step in self.on(kind, **fields) for act in step.outcome.acts]

    def broken(self, kind: str, **fields: Value) -> set[str]:
        """Feeds one event; the requirements that the rules would have broken."""
        return {b.requirement for step in self.on(kind, **fields) for b in step.outcome.broken}
