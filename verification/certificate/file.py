"""The file: what a certificate says, as JSON. Whatever is not exactly as it is written here is refused.

`docs/schemas/certificate.json` describes it. `sha256` is over all the rest, so that a damaged file is known as such;
it is no signature.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import NoReturn

from charter.dsl.program import FORMAT, STEP_CHECKS, Program
from charter.dsl.values import Json

CERTIFICATE = 1  # INVARIANT: raised whenever the format of the file or the meaning of an invariant in it changes.
LARGEST_BYTES = 16_000_000
PROVED = "proved"

_FIELDS = ("certificate", "charter", "format", "policy", "digest", "assumptions", "texts", "facts", "claims", "sha256")


class Unfit(ValueError):
    """The file is no certificate that this version of Charter reads, and why."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A requirement, or what holds for every policy, that is said to be proved."""

    name: str
    text: str
    cites: str | None
    invariants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was proved of which policy, and why it holds.

    `texts` are the numbers that its ids and texts have in invariants; `facts` are invariants that several claims need.
    """

    charter: str
    format: int
    policy: str
    digest: str
    assumptions: tuple[str, ...]
    texts: Mapping[str, int]
    facts: tuple[str, ...]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Unproved:
    """These requirements are not proved, so there is no certificate."""

    names: tuple[str, ...]


def certificate(
    program: Program, invariants: Mapping[str, Sequence[str]], facts: Sequence[str], texts: Mapping[str, int]
) -> Certificate | Unproved:
    """The certificate of a policy; `invariants` has those of each requirement and of what holds for every policy."""
    wanted = claims_of(program)
    if missing := tuple(name for name, _, _ in wanted if name not in invariants):
        return Unproved(missing)
    claims = tuple(Claim(name, text, cites, tuple(invariants[name])) for name, text, cites in wanted)
    assumed = tuple(sorted(program.assumptions))
    return Certificate(version("charter"), FORMAT, program.name, program.digest, assumed, texts, tuple(facts), claims)


def claims_of(program: Program) -> tuple[tuple[str, str, str | None], ...]:
    """What has to be proved of a policy: the name, the text and the source of each claim."""
    every = tuple((name, text, None) for name, text in STEP_CHECKS.items())
    return (*every, *((each.name, each.text, each.cites) for each in program.requirements))


def to_text(of: Certificate) -> str:
    """The file."""
    claims: list[Json] = [
        {"name": c.name, "text": c.text, "cites": c.cites, "verdict": PROVED, "invariants": list[Json](c.invariants)}
        for c in of.claims
    ]
    content: dict[str, Json] = {
        "certificate": CERTIFICATE,
        "charter": of.charter,
        "format": of.format,
        "policy": of.policy,
        "digest": of.digest,
        "assumptions": list[Json](of.assumptions),
        "texts": dict[str, Json](of.texts),
        "facts": list[Json](of.facts),
        "claims": claims,
    }
    return json.dumps({**content, "sha256": _sealed(content)}, ensure_ascii=False, indent=1) + "\n"


def from_bytes(data: bytes) -> Certificate:
    """The certificate in a file; raises `Unfit`."""
    if len(data) > LARGEST_BYTES:
        raise Unfit(f"it has more than {LARGEST_BYTES} bytes")
    try:
        found = json.loads(
            data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number, parse_float=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise Unfit(f"it is no JSON: {error}") from error
    top = _object(found, "it", _FIELDS)
    if _number(top, "certificate") != CERTIFICATE:
        raise Unfit(f"it has format {top['certificate']}; this version of Charter reads format {CERTIFICATE}")
    seal = _text(top, "sha256")
    if seal != _sealed({name: value for name, value in top.items() if name != "sha256"}):
        raise Unfit("it is damaged: `sha256` is not that of its content")
    return Certificate(
        _text(top, "charter"),
        _number(top, "format"),
        _text(top, "policy"),
        _text(top, "digest"),
        _texts(top, "assumptions"),
        _numbers(top["texts"]),
        _texts(top, "facts"),
        tuple(_claim(each, i) for i, each in enumerate(_list(top, "claims"))),
    )


def _claim(found: Json, place: int) -> Claim:
    where = f"`claims[{place}]`"
    claim = _object(found, where, ("name", "text", "cites", "verdict", "invariants"))
    if claim["verdict"] != PROVED:
        raise Unfit(f"`verdict` in {where} is not {PROVED}")
    cites = None if claim["cites"] is None else _text(claim, "cites")
    return Claim(_text(claim, "name"), _text(claim, "text"), cites, _texts(claim, "invariants"))


def _sealed(content: Mapping[str, Json]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unfit("a name stands twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise Unfit(f"{text} is no whole number")


def _object(found: Json, where: str, names: tuple[str, ...]) -> dict[str, Json]:
    if not isinstance(found, dict):
        raise Unfit(f"{where} is no object")
    missing, unknown = [n for n in names if n not in found], [n for n in found if n not in names]
    if missing or unknown:
        raise Unfit(f"{where} " + (f"has no `{missing[0]}`" if missing else f"has an unknown field `{unknown[0]}`"))
    return found


def _text(of: Mapping[str, Json], name: str) -> str:
    value = of[name]
    if not isinstance(value, str):
        raise Unfit(f"`{name}` is no text")
    return value


def _number(of: Mapping[str, Json], name: str) -> int:
    value = of[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit(f"`{name}` is no whole number")
    return value


def _list(of: Mapping[str, Json], name: str) -> list[Json]:
    value = of[name]
    if not isinstance(value, list):
        raise Unfit(f"`{name}` is no list")
    return value


def _texts(of: Mapping[str, Json], name: str) -> tuple[str, ...]:
    return tuple(_text({name: each}, name) for each in _list(of, name))


def _numbers(found: Json) -> Mapping[str, int]:
    if not isinstance(found, dict):
        raise Unfit("`texts` is no object")
    numbers = {text: _number(found, text) for text in found}
    if len(set(numbers.values())) < len(numbers):
        raise Unfit("two of `texts` have one number")
    return numbers
