"""The GitHub Action and the pre-commit hooks: valid by their own tools, and their commands do what they say."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
ACTION = ROOT / "action.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
BROKEN = ROOT / "tests" / "corpus" / "refuted" / "before.charter"


def steps() -> list[dict[str, Any]]:
    """The steps of the action that run a command of ours."""
    found = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
    return [step for step in found if str(step.get("run", "")).startswith("charter ")]


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a runner does, with this interpreter's `charter` first in the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_action_fits_the_schema_of_actions() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", str(ACTION)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_hooks_are_a_valid_manifest() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_action_checks_lays_out_tests_and_proves() -> None:
    assert [str(step["run"]).split()[1] for step in steps()] == ["check", "fmt", "test", "verify"]
    for step in steps():
        assert "${{" not in step["run"], "an input in a script could be a command"


@pytest.mark.parametrize("step", steps(), ids=lambda step: step["name"])
def test_a_step_of_the_action_takes_patterns_and_says_what_it_found(step: dict[str, Any], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.charter").write_text(BROKEN.read_text(encoding="utf-8"), encoding="utf-8")
    done = run(step["run"], tmp_path, POLICIES="./*/", SECONDS_EACH="60", SARIF="out.sarif", JUNIT="out.xml")
    proves = step["name"] == "Prove"
    assert done.returncode == (1 if proves else 0), done.stdout + done.stderr
    assert (tmp_path / "out.sarif").exists() is proves
    assert ("refuted  recording_first" in done.stdout) is proves


def test_each_hook_is_a_command_that_does_what_it_says(tmp_path: Path) -> None:
    policy = tmp_path / "policy.charter"
    policy.write_text(BROKEN.read_text(encoding="utf-8").replace("rule greet", "rule  greet"), encoding="utf-8")
    codes = {}
    for hook in yaml.safe_load(HOOKS.read_text(encoding="utf-8")):
        codes[hook["id"]] = run(f"{hook['entry']} policy.charter", tmp_path).returncode
    assert codes == {"charter-check": 0, "charter-fmt": 0, "charter-verify": 1}
    assert "rule greet" in policy.read_text(encoding="utf-8")
