"""Certificates: one that holds is accepted; whatever is changed in it, or in the policy, is seen and named."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from charter.dsl.load import Loaded, load_text
from charter.dsl.program import FORMAT, Program
from charter.verification.certificate.check import Checked, Flaw, Invalid, Valid, check
from charter.verification.certificate.file import Certificate, Unfit, Unproved, from_bytes, to_text
from charter.verification.certificate.solvers import Limits
from charter.verification.certificate.world import world_of
from charter.verification.certify import certify_command
from charter.verification.encode.encoder import Encoder
from charter.verification.prove.invariants import certified, spelled
from charter.verification.prove.prove import Settings, prove
from charter.verification.prove.verdicts import Invariant
from charter.verification.show.commands import verify_command
from tests.verification.generated import policies

ROOT = Path(__file__).parent.parent.parent
POLICY = ROOT / "tests" / "corpus" / "good" / "whole" / "seven_rules.charter"
TEXT = POLICY.read_text(encoding="utf-8")
SEED = 2_718


def program_of(text: str) -> Program:
    """The program of a policy that loads."""
    loaded = load_text(text, POLICY.name)
    assert isinstance(loaded, Loaded), str(loaded)
    return loaded.program


@cache
def proved() -> tuple[Program, Certificate]:
    """A policy and its certificate."""
    program = program_of(TEXT)
    found = certified(program, prove(program, Settings()))
    assert isinstance(found, Certificate)
    return program, found


def checked(program: Program, certificate: Certificate) -> Checked:
    """What comes of a certificate that somebody wrote on purpose: its `sha256` fits."""
    return check(program, to_text(certificate).encode())


def with_invariants(name: str, *invariants: str) -> Certificate:
    """The certificate with other invariants for one claim, and no facts."""
    _, certificate = proved()
    claims = [replace(c, invariants=invariants) if c.name == name else c for c in certificate.claims]
    return replace(certificate, claims=tuple(claims))


def flaws(found: Checked) -> tuple[Flaw, ...]:
    """Why a certificate is refused; it must be."""
    assert isinstance(found, Invalid), found
    assert found.flaws
    return found.flaws


def test_what_the_prover_found_is_accepted() -> None:
    program, certificate = proved()
    assert checked(program, certificate) == Valid(len(certificate.claims))
    assert from_bytes(to_text(certificate).encode()) == certificate


def test_the_file_is_as_its_schema_says() -> None:
    schema = json.loads((ROOT / "docs" / "schemas" / "certificate.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(json.loads(to_text(proved()[1])))


# --- invariants that do not do ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("invariants", [("true",), ()], ids=["true", "none"])
@pytest.mark.parametrize("name", ["recording_first", "lost_card_to_the_desk", "human_wanted"])
def test_an_invariant_that_says_nothing_shows_nothing(name: str, invariants: tuple[str, ...]) -> None:
    found = flaws(checked(proved()[0], with_invariants(name, *invariants)))
    assert {flaw.claim for flaw in found} == {name}
    assert {flaw.what for flaw in found} == {"not so: it is not broken"}
    assert all(flaw.kind for flaw in found)


def test_an_invariant_that_is_false_does_not_hold_at_first() -> None:
    found = flaws(checked(proved()[0], with_invariants("recording_first", "false")))
    assert found == (Flaw("not so: its invariant holds before `start`", "recording_first"),)


def test_two_claims_cannot_lean_on_each_other_and_on_nothing_else() -> None:
    _, certificate = proved()
    claims = [replace(c, invariants=("(not |started|)",)) for c in certificate.claims]
    found = flaws(checked(proved()[0], replace(certificate, claims=tuple(claims))))
    assert Flaw("not so: its invariant is kept", "recording_first", "start") in found


UNREADABLE = {
    "(": "it ends too early",
    "true true": "something follows its end",
    "7": "it is no condition",
    "(assert true)": "there is no operation `assert`",
    "(define-fun f () Bool true)": "there is no operation `define-fun`",
    "(forall ((x Int)) true)": "there is no operation `forall`",
    "(not |started|": "it ends too early",
    ")": "a parenthesis closes that was not opened",
    "|nothing here|": "there is no column `nothing here`",
    "started": "`started` is neither a value nor a bound name",
    "(not 7)": "`not` does not apply to Int",
    "(= |started| 0)": "`=` does not apply to Bool and Int",
    "(= (* |clock| |clock|) 0)": "`*` does not apply to Int and Int",
    "(and)": "`and` has 0 parts",
    "(let ((true |started|)) true)": "`true` cannot be bound",
    "(let ((x |started|)) y)": "`y` is neither a value nor a bound name",
    "(< |clock| 1.5)": "`1.5` is neither a value nor a bound name",
    f"{'(not ' * 500}true{')' * 500}": "it is nested more than 400 deep",
    f"(and {'true ' * 200_000})": "it has more than 200000 parts",
    "|started": "'|started' begins no term",
    "(exit)": "there is no operation `exit`",
    "": "it ends too early",
}


@pytest.mark.parametrize("invariant", UNREADABLE, ids=lambda text: text[:24])
def test_an_invariant_is_one_closed_term_and_nothing_else(invariant: str) -> None:
    found = flaws(checked(proved()[0], with_invariants("answered", invariant)))
    assert found == (Flaw(f"its invariant cannot be read: {UNREADABLE[invariant]}", "answered"),)


def test_an_invariant_may_name_its_parts() -> None:
    _, certificate = proved()
    by_name = {claim.name: claim.invariants for claim in certificate.claims}
    also = "(let ((x (>= |clock| (- 9223372036854775808)))) (let ((y x)) (=> (not y) (ite x y (= 1 (+ 1 1))))))"
    assert isinstance(checked(proved()[0], with_invariants("answered", *by_name["answered"], also)), Valid)


# --- claims ----------------------------------------------------------------------------------------------------------


def changed(how: Callable[[Certificate], Certificate]) -> tuple[str, ...]:
    """Why a certificate is refused that was changed so."""
    program, certificate = proved()
    return tuple(str(flaw) for flaw in flaws(checked(program, how(certificate))))


def test_each_claim_is_needed_and_no_other() -> None:
    assert changed(lambda c: replace(c, claims=c.claims[:-1])) == ("`human_wanted`: it is not claimed to be proved",)
    assert changed(lambda c: replace(c, claims=(*c.claims, c.claims[0]))) == ("it claims one requirement twice",)
    more = replace(proved()[1].claims[-1], name="more")
    assert changed(lambda c: replace(c, claims=(*c.claims, more))) == ("`more`: the policy does not require it",)


def test_a_claim_says_what_the_policy_says() -> None:
    claims = proved()[1].claims
    weaker = tuple(replace(c, text="something is said") if c.name == "recording_first" else c for c in claims)
    assert changed(lambda c: replace(c, claims=weaker)) == ("`recording_first`: the policy says something else",)
    source = tuple(replace(c, cites="another law") if c.name == "recording_first" else c for c in claims)
    assert changed(lambda c: replace(c, claims=source)) == ("`recording_first`: the policy says something else",)


def test_a_certificate_is_of_one_version() -> None:
    assert "it was made by Charter 0.0.1" in changed(lambda c: replace(c, charter="0.0.1"))[0]
    assert "programs of format 99" in changed(lambda c: replace(c, format=99))[0]
    assert "assumes something else" in changed(lambda c: replace(c, assumptions=("find",)))[0]


def test_two_texts_are_never_the_same_number() -> None:
    (flaw,) = changed(lambda c: replace(c, texts={"a": 1, "b": 1}))
    assert flaw == "two of `texts` have one number"
    (flaw,) = changed(lambda c: replace(c, texts={"a": 1_000_000}))
    assert flaw == "the number of 'a' does not fit its length"


# --- the policy ------------------------------------------------------------------------------------------------------

WEAKER = {
    "disclose recording  say how_can_i_help": ("say how_can_i_help", "recording_first", "start"),
    "do escalate card_desk because": ("do escalate general because", "lost_card_to_the_desk", "classify"),
    "(when its intent == human) or classify fails": ("fails", "human_wanted", "classify"),
    "or silence or keys": ("or silence", "answered", "keys"),
}


@pytest.mark.parametrize("what", WEAKER)
def test_a_policy_that_breaks_a_requirement_has_no_certificate(what: str) -> None:
    """Not even one that says that it is of this policy."""
    instead, name, kind = WEAKER[what]
    assert what in TEXT
    weaker = load_text(TEXT.replace(what, instead), POLICY.name)
    assert isinstance(weaker, Loaded), str(weaker)
    certificate = replace(proved()[1], digest=weaker.program.digest)
    found = flaws(checked(weaker.program, certificate))
    assert (name, kind) in {(flaw.claim, flaw.kind) for flaw in found}


def test_a_certificate_is_of_one_policy() -> None:
    found = flaws(checked(program_of(TEXT + "\n# a word more\n"), proved()[1]))
    assert "of another policy" in found[0].what


def test_no_flipped_bit_is_accepted() -> None:
    program, certificate = proved()
    data = to_text(certificate).encode()
    rng = Random(SEED)
    refused = 0
    for _ in range(1_000):
        place = rng.randrange(len(data))
        flipped = data[:place] + bytes((data[place] ^ 1 << rng.randrange(8),)) + data[place + 1 :]
        if _says(flipped) != json.loads(data):
            assert isinstance(check(program, flipped), Invalid)
            refused += 1
    assert refused > 900


def test_no_flipped_bit_of_a_policy_is_accepted() -> None:
    certificate = to_text(proved()[1]).encode()
    rng = Random(SEED)
    refused = 0
    for _ in range(150):
        place = rng.randrange(len(TEXT))
        flipped = TEXT[:place] + chr(ord(TEXT[place]) ^ 1 << rng.randrange(7)) + TEXT[place + 1 :]
        loaded = load_text(flipped, POLICY.name)
        if isinstance(loaded, Loaded):
            assert isinstance(check(loaded.program, certificate), Invalid)
            refused += 1
    assert refused > 10


def _says(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


# --- the file --------------------------------------------------------------------------------------------------------

AT = f'"format": {FORMAT},'
BROKEN = {
    "truncated": (lambda text: text[:-40], "it is no JSON"),
    "a field twice": (lambda text: text.replace(AT, f"{AT} {AT}"), "a name stands twice"),
    "an unknown field": (lambda text: text.replace(AT, f'{AT} "more": 1,'), "unknown field `more`"),
    "a missing field": (lambda text: text.replace(AT, ""), "it has no `format`"),
    "a number that is not whole": (lambda text: text.replace(AT, '"format": 1.0,'), "1.0 is no whole number"),
    "no number": (lambda text: text.replace(AT, '"format": NaN,'), "NaN is no whole number"),
    "another format": (lambda text: text.replace('"certificate": 1', '"certificate": 2'), "it has format 2"),
    "another verdict": (lambda text: text.replace('"proved"', '"unknown"', 1), "it is damaged"),
    "too deep": (lambda text: "[" * len(text), "it is no JSON"),
    "a list": (lambda text: f"[{text}]", "it is no object"),
    "nothing": (lambda text: text[:0], "it is no JSON"),
    "too large": (lambda text: text + " " * 16_000_000, "it has more than 16000000 bytes"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_named(what: str) -> None:
    how, why = BROKEN[what]
    with pytest.raises(Unfit, match=why):
        from_bytes(how(to_text(proved()[1])).encode())


def test_bytes_that_are_no_text_are_no_certificate() -> None:
    with pytest.raises(Unfit, match="it is no JSON"):
        from_bytes(b"\xff\xfe{}")


# --- the solver ------------------------------------------------------------------------------------------------------


def test_a_solver_that_has_no_time_shows_nothing() -> None:
    program, certificate = proved()
    found = flaws(check(program, to_text(certificate).encode(), Limits(seconds=0.0)))
    assert {flaw.what for flaw in found} == {"not decided: the time was up"}


def test_a_solver_that_has_no_memory_shows_nothing() -> None:
    program, certificate = proved()
    found = flaws(check(program, to_text(certificate).encode(), Limits(megabytes=1)))
    assert all(flaw.what.startswith("not decided: ") for flaw in found)


# --- the prover's names ----------------------------------------------------------------------------------------------


def test_every_column_of_the_prover_is_one_of_a_certificate() -> None:
    seen = 0
    for _, loaded in policies(8, SEED):
        encoder, world = Encoder(loaded.program), world_of(loaded.program, {})
        ours = {f"|{name}{inner}|" for name, of in world.state.items() for inner in of}
        for variable, of in encoder.state.items():
            columns = tuple(encoder.graph.name(term) for term in encoder.flat(variable, of))
            for place in range(len(columns)):
                text = spelled(Invariant("", f"k{place}", columns, ()))
                assert text.removeprefix("(> ").rpartition("|")[0] + "|" in ours, text
                seen += 1
    assert seen > 100


# --- the commands ----------------------------------------------------------------------------------------------------


def test_the_commands_write_and_check_a_certificate(tmp_path: Path) -> None:
    file, other = tmp_path / "new" / "certificate.json", tmp_path / "other.charter"
    other.write_text(TEXT + "\n# changed\n", encoding="utf-8")
    runner = CliRunner()
    written = runner.invoke(verify_command, [str(POLICY), "--certificate", str(file)])
    assert written.exit_code == 0, written.output
    schema = json.loads((ROOT / "docs" / "schemas" / "certified.json").read_text(encoding="utf-8"))
    for policy, code in ((POLICY, 0), (other, 1)):
        run = runner.invoke(certify_command, ["check", str(file), str(policy), "--json"])
        assert run.exit_code == code, run.output
        report = json.loads(run.stdout)
        Draft202012Validator(schema).validate(report)
        assert report["valid"] is (code == 0)
    missing = runner.invoke(certify_command, ["check", str(tmp_path / "none.json"), str(POLICY)])
    assert missing.exit_code == 2
    (tmp_path / "wrong.charter").write_text("policy", encoding="utf-8")
    assert runner.invoke(certify_command, ["check", str(file), str(tmp_path / "wrong.charter")]).exit_code == 2


def test_what_is_not_proved_has_no_certificate(tmp_path: Path) -> None:
    file, policy = tmp_path / "certificate.json", tmp_path / "policy.charter"
    file.write_text("an old one", encoding="utf-8")
    policy.write_text(TEXT.replace("disclose recording  say how_can_i_help", "say how_can_i_help"), encoding="utf-8")
    run = CliRunner().invoke(verify_command, [str(policy), "--certificate", str(file)])
    assert run.exit_code == 1
    assert "no certificate" in run.stderr
    assert not file.exists()


def test_claims_without_a_proof_are_named() -> None:
    program, _ = proved()
    found = certified(program, [r for r in prove(program, Settings()) if r.name != "answered"])
    assert found == Unproved(("answered",))
