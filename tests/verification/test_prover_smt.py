"""Terms as SMT-LIB: at random points the solver computes what `values` computes."""

from random import Random

import pytest
from test_prover_encoding import inputs_at

from charter.dsl.load import Loaded, load_text
from charter.dsl.semantics import step
from charter.verification.encode.encoder import Encoder
from charter.verification.encode.smt import codes_of, definitions, sort_of, value
from charter.verification.encode.terms import Op, Term, mentioned, values
from charter.verification.generate.events import conversation, outside
from charter.verification.generate.policies import draft
from charter.verification.prove.solver import Cases, Unclear, Unsafe, Unsat, reaches


@pytest.mark.parametrize("seed", range(8))
def test_the_solver_computes_a_step_as_the_terms_do(seed: int) -> None:
    rng = Random(7000 + seed)
    loaded = load_text(draft(rng).text)
    assert isinstance(loaded, Loaded), str(loaded)
    program = loaded.program
    encoder, codes = Encoder(program), codes_of(program)
    graph = encoder.graph
    for taken in conversation(rng, outside(program), step, length=10, hostile=0.3):
        made = encoder.step(taken.event.kind)
        inputs = inputs_at(encoder, taken.state, taken.event)
        final = [t for v in program.variables for t in encoder.flat(v, made.wanted.final[v])]
        rendered = {t for t in mentioned(graph, final) if graph.op[t] is Op.RENDER}
        roots = [made.possible, *(case for cases in made.broken.values() for case in cases), *final]
        roots = [t for t in roots if rendered.isdisjoint(mentioned(graph, [t]))]
        found = values(graph, roots, inputs)
        variables = [t for t in mentioned(graph, roots) if graph.op[t] is Op.VAR]
        lines = [f"(declare-const v{t} {sort_of(graph.sort[t])})" for t in variables]
        defined, name = definitions(graph, roots, codes, _name, "")
        lines += [*defined, *(f"(assert (= v{t} {value(inputs[t], codes)}))" for t in variables)]
        differs = " ".join(f"(not (= {name(t)} {value(found[t], codes)}))" for t in dict.fromkeys(roots))
        lines += ["(declare-const differs Bool)", f"(assert (=> differs (or {differs} false)))"]
        assert isinstance(Cases("\n".join(lines), 10_000_000).ask(["differs"], {}), Unsat), taken.event


def test_a_search_for_an_invariant_that_takes_too_long_says_so() -> None:
    rules = """
        (declare-rel inv (Int Int)) (declare-rel bad ()) (declare-var x Int) (declare-var y Int)
        (rule (inv 0 1))
        (rule (=> (inv x y) (inv (+ x y) (+ y 1))))
        (rule (=> (and (inv x y) (> x 30)) bad))
        (query bad)
    """
    assert reaches(rules, 2**31) == Unsafe()
    assert reaches(rules, 1) == Unclear("max. resource limit exceeded")


def _name(term: Term) -> str:
    return f"v{term}"
