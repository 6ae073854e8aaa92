"""Wrong input of the prover's commands: an error that names what and where, exit code 2, and nothing is changed."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from charter.cli import main
from charter.verification.output_files import Unwritable, reserve, write

ROOT = Path(__file__).parent.parent.parent
SEVEN_RULES = ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a policy, and files that are none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "ok.charter").write_text(SEVEN_RULES.read_text())
    (tmp_path / "bad.charter").write_text("policy x")
    (tmp_path / "binary.charter").write_bytes(b"\xff\x00\xfe")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("[]")
    before = contents(tmp_path)
    yield tmp_path
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    """All files."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def charter(*args: str) -> Result:
    return CliRunner().invoke(main, args, catch_exceptions=False)


COMMANDS = [("verify",), ("report",), ("fuzz",), ("mutate",), ("diff", "ok.charter"), ("certify", "check", "file")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nowhere.charter", "`nowhere.charter` cannot be read: no such file or directory"),
        ("empty", "`policy.charter` cannot be read: no such file or directory"),
        ("binary.charter", "`binary.charter` is not UTF-8: byte 0xff in line 1"),
        ("bad.charter", "bad.charter:1:8"),
    ],
)
def test_a_policy_that_cannot_be_read_or_does_not_check_is_named(
    command: tuple[str, ...], path: str, says: str
) -> None:
    result = charter(*command, path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert f"{path}: " in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("verify ok.charter ./ok.charter", "ok.charter is named twice"),
        ("fuzz ok.charter ok.charter", "ok.charter is named twice"),
        ("mutate ok.charter ok.charter", "ok.charter is named twice"),
        ("verify ok.charter --sarif file/x", "file/x cannot be written: {folder}/file is no folder"),
        ("verify ok.charter --sarif empty", "File 'empty' is a directory"),
        ("verify ok.charter --sarif ok.charter", "ok.charter is named twice, or is read"),
        ("verify ok.charter --sarif out --junit ./out", "out is named twice, or is read"),
        ("verify bad.charter --sarif new/out", "bad.charter: 2 mistakes"),
        ("verify ok.charter --certificate file/x", "file/x cannot be written"),
        ("verify ok.charter --cache file", "Directory 'file' is a file"),
        ("verify ok.charter --why nothing", "there is no requirement `nothing`"),
        ("report ok.charter -o ok.charter", "ok.charter is named twice, or is read"),
        ("report ok.charter -o file --verified file", "file is named twice, or is read"),
        ("report ok.charter --verified empty", "File 'empty' is a directory"),
        ("report ok.charter --verified binary.charter", "binary.charter is no JSON"),
        ("report ok.charter --certificate binary.charter", "binary.charter does not certify this policy"),
        ("certify check nowhere ok.charter", "nowhere cannot be read: No such file or directory"),
        ("certify check empty ok.charter", "empty cannot be read: Is a directory"),
        ("fuzz ok.charter --seconds nan", "nan is no number of seconds"),
        ("verify ok.charter --seconds nan", "nan is no number of seconds"),
        ("certify check file ok.charter --seconds nan", "nan is no number of seconds"),
        *((f"{command} ok.charter --jobs 0", "0 is not in the range") for command in ("verify", "fuzz", "mutate")),
        ("report ok.charter --jobs 0", "0 is not in the range"),
        ("diff ok.charter ok.charter --jobs 0", "0 is not in the range"),
        ("diff ok.charter ok.charter --steps -1", "-1 is not in the range"),
        ("report ok.charter --date 2026-13-01", "does not match the format"),
    ],
)
def test_wrong_usage_is_named_and_nothing_is_changed(args: str, says: str, folder: Path) -> None:
    result = charter(*args.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert says.format(folder=folder) in result.stderr


def test_huge_numbers_are_numbers() -> None:
    huge = str(10**30)
    assert charter("verify", "ok.charter", "--seconds", huge, "--no-cache").exit_code == 0
    assert charter("fuzz", "ok.charter", "--seed", huge, "--steps", "50").exit_code == 0
    assert charter("mutate", "bad.charter", "--sample", huge).exit_code == 2
    assert charter("fuzz", "ok.charter", "--steps", huge, "--seconds", "0.2", "--jobs", "1").exit_code == 0


# --- files that are written ------------------------------------------------------------------------------------------


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may have more than 1,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_cannot_be_written_whole_stays_as_it_was() -> None:
    with full_disk(), pytest.raises(Unwritable, match="file cannot be written: File too large"):
        write(Path("file"), "x" * 5_000)
    with full_disk(), pytest.raises(Unwritable, match="new cannot be written: File too large"):
        write(Path("new"), "x" * 5_000)


def test_a_command_whose_file_has_no_room_exits_2_and_names_it() -> None:
    with full_disk():
        result = charter("verify", "ok.charter", "--no-cache", "--sarif", "file")
    assert (result.exit_code, result.stderr) == (2, "Error: file cannot be written: File too large\n")


def test_a_file_is_replaced_whole_with_its_mode_and_through_a_link(tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    file, link = elsewhere / "file", elsewhere / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    write(link, "new")
    assert (file.read_text(), file.stat().st_mode & 0o777, link.is_symlink()) == ("new", 0o640, True)
    write(elsewhere / "a" / "b" / "c", "new")
    assert {path.name for path in elsewhere.rglob("*")} == {"file", "link", "a", "b", "c"}
    reserve(Path(os.devnull), Path(os.devnull))
    write(Path(os.devnull), "anything")
    assert not Path(os.devnull).is_file()


def test_output_that_has_no_room_is_said_to_have_none() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "charter", "fuzz", "ok.charter", "--steps", "50", "--jobs", "1"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (2, "Error: the output cannot be written: no space left on device\n")
