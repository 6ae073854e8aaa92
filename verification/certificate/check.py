"""Whether a certificate holds for a policy: everything in it is checked, and nothing of it believed."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeAlias

from charter.dsl.program import FORMAT, Program
from charter.verification.certificate.books import books
from charter.verification.certificate.columns import STRETCH, Numbering, limits_of
from charter.verification.certificate.file import Certificate, Claim, Unfit, claims_of, from_bytes
from charter.verification.certificate.obligations import (
    Clause,
    Invariants,
    Obligation,
    Question,
    clauses_of,
    false_at_first,
    questions,
)
from charter.verification.certificate.reader import Node, Unreadable, as_term, in_order, read
from charter.verification.certificate.script import Script, Sort, Term
from charter.verification.certificate.solvers import Answers, Failed, Limits, Solvers, solvers
from charter.verification.certificate.world import World, world_of

FACTS = "facts"


@dataclass(frozen=True, slots=True)
class Valid:
    """Every requirement holds in every conversation without an incident, and so does what holds for every policy."""

    claims: int


@dataclass(frozen=True, slots=True)
class Invalid:
    """It is refused, for these reasons."""

    flaws: tuple["Flaw", ...]


@dataclass(frozen=True, slots=True)
class Flaw:
    """A reason. `claim`: of which requirement; `kind`: for which kind of event; where it is about the file, neither."""

    what: str
    claim: str | None = None
    kind: str | None = None

    def __str__(self) -> str:
        of = f"`{self.claim}`: " if self.claim else ""
        return f"{of}{self.what}" + (f" by `{self.kind}`" if self.kind else "")


Checked: TypeAlias = Valid | Invalid


def check(program: Program, data: bytes, limits: Limits | None = None) -> Checked:
    """Whether the file `data` certifies this policy. It never raises for what is in the file."""
    try:
        found = from_bytes(data)
    except Unfit as unfit:
        return Invalid((Flaw(str(unfit)),))
    if flaws := tuple(_of_another(program, found)) or tuple(_incomplete(program, found)):
        return Invalid(flaws)
    world = world_of(program, found.texts)
    invariants, flaws = _read(world, found)
    if not flaws:
        flaws = tuple(_flaw(each) for each in false_at_first(invariants))
    if not flaws:
        flaws = _asked(invariants, limits or Limits())
    return Invalid(flaws) if flaws else Valid(len(found.claims))


# --- of which policy -------------------------------------------------------------------------------------------------


def _of_another(program: Program, found: Certificate) -> Iterator[Flaw]:
    """Where the certificate is not of this policy and this version of Charter."""
    here = version("charter")
    if found.charter != here:
        yield Flaw(f"it was made by Charter {found.charter}; this is {here}")
    if found.format != FORMAT:
        yield Flaw(f"it is about programs of format {found.format}; this version has format {FORMAT}")
    if (found.policy, found.digest) != (program.name, program.digest):
        yield Flaw(f"it is of another policy, or of another version of it: `{found.policy}` {found.digest[:12]}")


def _incomplete(program: Program, found: Certificate) -> Iterator[Flaw]:
    """Where the certificate does not say what has to be proved, or how its invariants are to be read."""
    if found.assumptions != tuple(sorted(program.assumptions)):
        yield Flaw("it assumes something else of the results of tools than the policy does")
    yield from _claims(claims_of(program), found.claims)
    yield from _texts(Numbering(limits_of(program)), found.texts)


def _claims(wanted: Sequence[tuple[str, str, str | None]], found: Sequence[Claim]) -> Iterator[Flaw]:
    claimed = {claim.name: claim for claim in found}
    if len(claimed) < len(found):
        yield Flaw("it claims one requirement twice")
    for name, text, cites in wanted:
        claim = claimed.pop(name, None)
        if claim is None:
            yield Flaw("it is not claimed to be proved", name)
        elif (claim.text, claim.cites) != (text, cites):
            yield Flaw("the policy says something else", name)
    for name in claimed:
        yield Flaw("the policy does not require it", name)


def _texts(numbering: Numbering, texts: Mapping[str, int]) -> Iterator[Flaw]:
    """The numbers of texts say how long they are, as far as that matters."""
    last = len(numbering.limits) * STRETCH
    for text, number in texts.items():
        first = numbering.first(len(text))
        if not first <= number or (first < last and number >= first + STRETCH):
            yield Flaw(f"the number of {text!r} does not fit its length")


# --- invariants ------------------------------------------------------------------------------------------------------


def _read(world: World, certificate: Certificate) -> tuple[Invariants, tuple[Flaw, ...]]:
    """The invariants of each claim, over columns of the state, with those of the books; each part once."""
    by = {f"{name}{inner}": term for name, of in world.state.items() for inner, term in of.items()}
    stated = [*books(world).items(), *((FACTS, text) for text in certificate.facts)]
    stated += [(claim.name, text) for claim in certificate.claims for text in claim.invariants]
    found: list[Clause] = []
    flaws: list[Flaw] = []
    for goal, text in stated:
        try:
            found += clauses_of(goal, _condition(text, by))
        except Unreadable as unreadable:
            flaws.append(Flaw(f"its invariant cannot be read: {unreadable}", goal))
    return Invariants(world, found), tuple(flaws)


def _condition(text: str, by: Mapping[str, Term]) -> Node:
    node = read(text)
    if as_term(Script(), in_order(node), by).sort is not Sort.BOOL:
        raise Unreadable("it is no condition")
    return node


# --- the solver ------------------------------------------------------------------------------------------------------


def _asked(invariants: Invariants, limits: Limits) -> tuple[Flaw, ...]:
    """Where a step does what it may not, or where the solver does not say that it does not."""
    script = invariants.world.script
    asked: dict[str, Future[Answers]] = {}
    with solvers(limits) as opened, ThreadPoolExecutor(limits.processes) as pool:
        waiting: list[tuple[Question, Future[Answers]]] = []
        for question in questions(invariants):
            text = _near(script, question)
            if text not in asked:
                asked[text] = pool.submit(opened.ask, text)
            waiting.append((question, asked[text]))
        failing = [question for question, answer in waiting if answer.result() != ("unsat",)]
        found = pool.map(lambda question: tuple(_singled(opened, script, question)), failing)
        return tuple(flaw for flaws in found for flaw in flaws)


def _near(script: Script, question: Question) -> str:
    """The question with no more than what shares a column with what could go wrong."""
    wrong = script.or_(question.wrong.values())
    about = script.mentioned([wrong])
    near = [term for term in question.assumed if script.mentioned([term]) & about]
    text, names = script.printed([wrong, *near])
    return "\n".join([text, *(f"(assert {names[term.text]})" for term in (*near, wrong))])


def _singled(solver: Solvers, script: Script, question: Question) -> Iterator[Flaw]:
    """What could go wrong one by one, with all that is assumed."""
    text, names = script.printed([*question.assumed, *question.wrong.values()])
    asserted = [f"(assert {names[term.text]})" for term in question.assumed]
    cases = tuple(names[term.text] for term in question.wrong.values())
    answers = solver.ask("\n".join([text, *asserted]), cases)
    if isinstance(answers, Failed):
        yield Flaw(f"not decided: {answers.why}", None, question.kind)
        return
    for obligation, answer in zip(question.wrong, answers, strict=True):
        if answer != "unsat":
            yield _flaw(obligation, answer)


def _flaw(of: Obligation, answer: str = "sat") -> Flaw:
    return Flaw(f"{'not so' if answer == 'sat' else 'not decided'}: {of.what}", of.goal, of.kind)
