"""From terms to verdicts: facts, pictures of a goal, invariants and conversations."""
