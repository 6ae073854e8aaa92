"""Policies for the prover's benchmark: modules of ten rules and up to four requirements, as real ones have them.

A module grants one wish: it looks something up, discloses its terms, collects an amount and pays it, or hands over. In
the regular set all modules are alike; in the irregular one each leaves out, adds and mixes in what others remember. A
fault takes away one thing that a requirement rests on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

HEAD = """policy bench
  languages en
  fallback queue general
  human wanted when classify.intent known== human

enum Intent {{ {intents}, human, other }}
queue general  within 30 s
agent classify suggests {{ intent: Intent, confidence: decimal(4) 0..1 }}  within 300 ms
define sure = classify.confidence known>= 0.6
disclosure recording {{ en "This call is recorded." }}
prompt how_can_i_help {{ en "How can I help?" }}
prompt say_again {{ en "Could you say it again?" }}
fact silences: int 0..3 = 0

rule greet    on start  do disclose recording  say how_can_i_help
rule listen   on utterance  do ask classify
rule person   on classify when its intent == human  do escalate general because "a person is wanted"
rule unsure   on classify when not sure and its intent != human  do say say_again
rule other    on classify when sure and its intent == other  do say say_again
rule no_sense on classify fails  do escalate general because "not understood"
rule silent   on silence when silences < 2  do set silences = silences + 1  say say_again
rule gone     on silence when silences >= 2  do end because "nobody is there"
rule pressed  on keys  do say say_again
rule nobody   on escalate any fails  do end because "no queue answered"

require recording_first  disclose recording before say any
"""

FAULTS = ("untold", "too much", "unforgiven", "twice")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a module does besides: it needs what another module remembers, checks twice, pays in two ways."""

    needs: int | None = None
    checks: bool = False
    notes: bool = False


def policy(rules: int, requirements: int, *, irregular: bool = False, faults: dict[int, str] | None = None) -> str:
    """A policy of about so many rules and exactly so many requirements; `faults`: of modules, by number."""
    modules = max(1, (rules - 10) // 10)
    rng = Random(7)
    shapes = [_shape(rng, i) if irregular else Shape() for i in range(modules)]
    parts = [HEAD.format(intents=", ".join(f"wish_{i}" for i in range(modules)))]
    left = requirements - 1
    for i, shape in enumerate(shapes):
        fault = (faults or {}).get(i, "")
        parts.append("\n".join(_rules(i, shape, fault)))
        mine = -(-left // (modules - i))
        parts.append("\n".join(_requirements(i, first=modules - 1 - i)[:mine]))
        left -= min(mine, 4)
    return "\n\n".join(parts) + "\n"


def _shape(rng: Random, i: int) -> Shape:
    return Shape(rng.randrange(i) if i and rng.random() < 0.4 else None, rng.random() < 0.5, rng.random() < 0.5)


def _rules(i: int, shape: Shape, fault: str) -> Iterator[str]:
    most = 2000 if fault == "too much" else 1000
    told = "" if fault == "untold" else f"told_{i} and "
    wished = f"sure and its intent == wish_{i} and not done_{i}"
    needed = "" if shape.needs is None else f" and done_{shape.needs}"
    yield f"tool look_{i}(account: id)  returns {{ fine: bool }}  reads  within 2 s"
    yield f"tool pay_{i}(account: id, amount: int 0..5000)  returns {{ receipt: id }}  writes  within 3 s"
    yield f'disclosure terms_{i} {{ en "These are the terms of service {i}." }}'
    yield f'prompt ask_{i} {{ en "How much for service {i}?" }}'
    yield f'prompt paid_{i} {{ en "It is paid for service {i}." }}'
    yield f"fact amount_{i}: int 0..5000 = 0"
    yield f"fact told_{i}: bool = false"
    yield f"fact done_{i}: bool = false"
    if shape.checks:
        yield f"tool check_{i}(account: id)  returns {{ clear: bool }}  reads  within 2 s"
        yield f"rule check_{i} on classify when {wished}"
        yield f'  do call check_{i}(account: "a")'
        yield f'rule begin_{i} on check_{i} when its clear do call look_{i}(account: "a")'
        yield f"rule unclear_{i} on check_{i} (when not its clear) or check_{i} fails"
        yield '  do escalate general because "not clear"'
    else:
        yield f"rule begin_{i} on classify when {wished}"
        yield f'  do call look_{i}(account: "a")'
    again = "say say_again" if fault != "twice" else f'call pay_{i}(account: "b", amount: 1)'
    yield f"rule again_{i} on classify when sure and its intent == wish_{i} and done_{i} do {again}"
    yield f"rule fine_{i} on look_{i} when its fine"
    yield f"  do disclose terms_{i}  set told_{i} = true  say ask_{i}  collect amount_{i}"
    yield f"rule unfit_{i} on look_{i} (when not its fine) or look_{i} fails"
    yield f'  do escalate general because "no service {i}"'
    yield f"rule got_{i} on collected amount_{i} when {told}its value <= {most}{needed}"
    yield f'  do set amount_{i} = its value  call pay_{i}(account: "a", amount: its value)'
    yield f"rule big_{i} on collected amount_{i} when {told}its value > {most}{needed}"
    yield f'  do escalate general because "too much for service {i}"'
    if told or needed:
        yield f"rule early_{i} on collected amount_{i}"
        yield f"  when not ({told.removesuffix(' and ') or 'true'}{needed})"
        yield "  do say say_again"
    yield f"rule none_{i} on collect amount_{i} fails do say say_again"
    yield f"rule paid_{i} on pay_{i} do set done_{i} = true  say paid_{i}"
    failing = "say say_again" if fault == "unforgiven" else f'escalate general because "service {i} may not be paid"'
    yield f"rule unpaid_{i} on pay_{i} fails or pay_{i} uncertain do {failing}"
    if shape.notes:
        yield f'rule note_{i} on pay_{i} when its receipt != "none" do note "paid"'


def _requirements(i: int, first: int) -> list[str]:
    """The first of them is another one in each module; the last modules, which have the faults, begin with the one that
    the fault breaks."""
    every = [
        f"require told_first_{i}  disclose terms_{i} before call pay_{i}",
        f"require not_too_much_{i}  call pay_{i} only if amount_{i} <= 1000 and its amount <= 1000",
        f"require a_person_{i}  whenever pay_{i} uncertain: escalate any in this turn",
        f"require looked_up_{i}  call pay_{i} only after new look_{i} (when its fine)",
    ]
    return every[first % 4 :] + every[: first % 4]
