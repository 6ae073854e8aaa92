"""The folders are the layers: who may import whom, and that the two executors share no evaluation code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "dsl": {"dsl"},
    "verification": {"verification", "dsl"},
    "agents": {"agents", "v1"},
    "engine": {"engine", "dsl", "v1", "agents", "verification"},
}
LINKS = {name: ROOT / name for name in (*MAY_IMPORT,)} | {"v1": ROOT / "proto" / "charter" / "v1"}
EXECUTORS = ("evaluator", "rule_kernel")  # the engine's own; only `decide.py` knows both


def imports_of(file: Path) -> set[str]:
    """The modules that a file imports, dotted."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:  # a relative import stays in its package
            module = node.module or ""
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_it_may(layer: str) -> None:
    files = list((ROOT / layer).rglob("*.py"))
    assert files, f"{layer}/ has no modules"
    for file in files:
        for module in imports_of(file):
            parts = module.split(".")
            if parts[0] == "charter" and len(parts) > 1:
                assert parts[1] in MAY_IMPORT[layer], f"{file.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("name", LINKS)
def test_each_link_of_the_package_points_home(name: str) -> None:
    link = ROOT / "src" / "charter" / name
    assert link.is_symlink()
    assert link.resolve() == LINKS[name].resolve()


def test_the_kernel_and_the_semantics_share_no_evaluation_code() -> None:
    kernel = [file for prefix in EXECUTORS for file in (ROOT / "engine").glob(f"{prefix}*.py")]
    assert len(kernel) >= 2
    for file in kernel:
        shared = {m for m in imports_of(file) if m.startswith("charter.dsl.")}
        evaluating = {m for m in shared if m.split(".")[2] not in ("program", "types", "values")}
        assert not evaluating, f"{file.name} imports {evaluating}"
    semantics = imports_of(ROOT / "dsl" / "semantics.py")
    assert not {m for m in semantics if m.startswith("charter.engine")}


def test_the_engine_knows_no_more_of_verification_than_the_check_of_certificates() -> None:
    modules = {module for file in (ROOT / "engine").rglob("*.py") for module in imports_of(file)}
    known = {module for module in modules if module.startswith("charter.verification")}
    assert known
    assert all(module.startswith("charter.verification.certificate.") for module in known), known


def test_the_check_of_certificates_shares_no_code_with_the_prover() -> None:
    """It imports of `verification` only itself, so that both would have to make the same mistake."""
    for file in (ROOT / "verification" / "certificate").glob("*.py"):
        used = {module for module in imports_of(file) if module.startswith("charter.verification")}
        assert all(module.startswith("charter.verification.certificate") for module in used), f"{file.name}: {used}"
        assert not {module for module in imports_of(file) if module.split(".")[0] == "z3"}


def test_only_the_rule_kernel_imports_durable_rules() -> None:
    importers = {
        file.name
        for layer in MAY_IMPORT
        for file in (ROOT / layer).rglob("*.py")
        if any(module.split(".")[0] in ("durable", "durable_rules_engine") for module in imports_of(file))
    }
    assert importers == {"rule_kernel.py"}
