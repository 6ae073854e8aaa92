"""Files that are written whole or not at all, whoever else writes or reads them."""

import secrets
import stat
from contextlib import suppress
from pathlib import Path

BEGUN = ".begun-"  # how the name of a file begins that is not whole yet


def write_whole(file: Path, text: str) -> None:
    """Puts the text into a file that keeps its mode. Where that fails (`OSError`), what was there before still is."""
    made = file.with_name(f"{BEGUN}{secrets.token_hex(8)}")
    try:
        with made.open("x", encoding="utf-8") as stream:
            stream.write(text)
        with suppress(FileNotFoundError):  # there is none yet, or another process has just taken it away
            made.chmod(stat.S_IMODE(file.stat().st_mode))
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)
