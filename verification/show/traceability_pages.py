"""The matrix as a page: self-contained HTML, or Markdown. Every text of the policy is escaped."""

import re
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from charter.verification.show.covers import COVERED, NOT_PROVED, TRUSTED
from charter.verification.show.traceability import Row, Traceability


def to_html(it: Traceability) -> str:
    """One page without anything from elsewhere, for the screen and for paper."""
    return _rendered("traceability.html.jinja", it, html=True)


def to_markdown(it: Traceability) -> str:
    """The same as Markdown with tables."""
    return _rendered("traceability.md.jinja", it, html=False)


def _rendered(name: str, it: Traceability, *, html: bool) -> str:
    environment = Environment(
        loader=FunctionLoader(lambda template: files(__package__).joinpath(template).read_text(encoding="utf-8")),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown_text, "fenced": fenced}
    page = environment.get_template(name)
    return page.render(it=it, covered=COVERED, trusted=TRUSTED, not_proved=NOT_PROVED, anchor=_anchor, proof=_proof)


def markdown_text(text: str) -> str:
    """The text on one line of Markdown, saying just itself, in a table too."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+\-.!|~<>&])", r"\\\1", text)
    return "<br>".join(re.sub(r"\s+", " ", line).strip() for line in escaped.splitlines())


def fenced(text: str) -> str:
    """The text as a block of code, whatever is in it."""
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _anchor(row: Row) -> str:
    return "open-" + re.sub(r"\W", "-", row.name)


def _proof(row: Row) -> str:
    if row.verdict != "proved":
        return "see below"
    return "in the certificate" if row.certified else "no certificate"
