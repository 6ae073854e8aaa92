"""Files that a user names for a command to write: seen to before the work, and written whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from charter.verification.usage import WRONG
from charter.verification.whole_file import write_whole


class Unwritable(click.ClickException):
    """A file cannot be written."""

    exit_code = WRONG

    def __init__(self, file: Path, error: OSError) -> None:
        super().__init__(f"{file} cannot be written: {error.strerror or error}")


def reserve(*files: Path | None, read: Iterable[Path] = ()) -> None:
    """Says at once, not after the proofs, where a file cannot be written, or is named twice, or is one of those `read`.
    Nothing is changed."""
    taken = {file.resolve() for file in read}
    for file in (file for file in files if file is not None):
        if file.resolve() in taken and not _is_stream(file):
            raise click.UsageError(f"{file} is named twice, or is read: it would be overwritten")
        taken.add(file.resolve())
        try:
            folder = next(parent for parent in file.resolve().parents if parent.exists())
            if not folder.is_dir():
                raise NotADirectoryError(None, f"{folder} is no folder")
            if not os.access(folder, os.W_OK | os.X_OK) and not _is_stream(file):
                raise PermissionError(None, f"nothing may be written in {folder}")
        except OSError as error:
            raise Unwritable(file, error) from error


def write(file: Path, text: str) -> None:
    """Writes a file that the user named, with its folder; where that fails, what was there before is still there."""
    try:
        if _is_stream(file):
            file.write_text(text, encoding="utf-8")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file.resolve(), text)  # what a link leads to, not the link
    except OSError as error:
        raise Unwritable(file, error) from error


def _is_stream(file: Path) -> bool:
    """Whether it is there and no file, as /dev/stdout is."""
    return file.exists() and not file.is_file()
