"""The longer explanation of each diagnostic: the sections of `explanations.md`."""

from importlib.resources import files


def explain(number: str) -> str | None:
    """What a code (`CH021`) means, why it matters, with examples; None where there is no such code."""
    return next((page for page in _pages() if page.startswith(f"{number} ")), None)


def _pages() -> list[str]:
    text = files("charter.dsl").joinpath("explanations.md").read_text(encoding="utf-8")
    return [page.strip() for page in text.split("\n## ")[1:]]
