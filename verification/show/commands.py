"""The command of the prover: `verify`. It is mounted by the command line."""

import json
import os
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import click

from charter.dsl.load import Loaded
from charter.dsl.values import Json
from charter.verification.certificate.file import Unproved, to_text
from charter.verification.explain.deep_report import deep as deep_of
from charter.verification.explain.deep_report import deep_code, deep_json, deep_text
from charter.verification.explain.why import why as why_of
from charter.verification.explain.why import why_json, why_text
from charter.verification.output_files import reserve, write
from charter.verification.progress import progress
from charter.verification.prove.cache import Cache, default_folder
from charter.verification.prove.invariants import certified
from charter.verification.prove.machine import goals_of
from charter.verification.prove.prove import Settings, Subject, subject_of
from charter.verification.prove.prove import proved as proved_of
from charter.verification.prove.standing import Standing
from charter.verification.prove.verdicts import Result
from charter.verification.show.junit import to_junit
from charter.verification.show.report import exit_code, summary, text, to_json_report
from charter.verification.show.sarif import to_sarif
from charter.verification.show.watch import watch
from charter.verification.usage import Seconds, files_of, policies
from charter.verification.workers import Limits

EVERY = "every requirement"
_COLOURS = {"proved": "green", "refuted": "red", "vacuous": "yellow", "unknown": "yellow"}
_BOLD = ("refuted", "vacuous", "event")
_FILE = click.Path(path_type=Path, dir_okay=False)

CACHE = click.option("--cache", type=click.Path(path_type=Path, file_okay=False), help="Where findings are remembered.")
NO_CACHE = click.option("--no-cache", is_flag=True, help="Remember nothing, and use nothing that was remembered.")


@click.command("verify")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--sarif", type=_FILE, help="Also write SARIF, for code hosts.")
@click.option("--junit", type=_FILE, help="Also write JUnit XML, for continuous integration.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 64), help="How many proofs at a time.")
@click.option("--seconds", default=300.0, show_default=True, type=Seconds(1), help="When one proof is given up.")
@click.option("--certificate", type=_FILE, help="Write what was proved of the one policy here.")
@click.option(
    "--why", is_flag=False, flag_value=EVERY, help="Say what the proof of this requirement rests on; alone, of each."
)
@click.option(
    "--deep", is_flag=True, help="Also show that every rule can fire, and what agents could do but for the guards."
)
@click.option("--watch", "watching", is_flag=True, help="Prove again whenever a file of the one policy changes.")
@CACHE
@NO_CACHE
def verify_command(
    paths: tuple[Path, ...],
    as_json: bool,
    sarif: Path | None,
    junit: Path | None,
    jobs: int,
    seconds: float,
    certificate: Path | None,
    why: str | None,
    deep: bool,
    watching: bool,
    cache: Path | None,
    no_cache: bool,
) -> None:
    """Proves every requirement of the policies at PATHS for all conversations, or shows one that breaks it.

    Exit codes: 0 all is proved, 1 something is refuted or vacuous, 2 a policy is wrong, 3 something is not decided.
    """
    if certificate is not None and len(paths) != 1:
        raise click.UsageError("a certificate is of one policy")
    settings = Settings(limits=Limits(jobs=jobs, seconds=seconds), cache=None if no_cache else remembered(cache))
    if watching:
        if len(paths) != 1 or as_json or sarif or junit or certificate or why or deep:
            raise click.UsageError("--watch is of one policy, and prints text only")
        watch(paths[0], settings, partial(_watched, settings))
    proved: list[tuple[str, Loaded, list[Result]]] = []
    more: dict[str, dict[str, Json]] = {}
    codes: list[int] = []
    loadeds = policies(paths)
    reserve(sarif, junit, certificate, read=files_of(loadeds))
    names = {goal.name for _, loaded in loadeds for goal in goals_of(loaded.program)}
    if why not in (None, EVERY, *names):
        raise click.UsageError(f"there is no requirement `{why}`")
    for path, loaded in loadeds:
        subject = subject_of(loaded.program, settings)
        results = verified(loaded, settings, show=_nothing if as_json else _printed, subject=subject)
        proved.append((str(path), loaded, results))
        codes.append(exit_code(results))
        found = more[str(path)] = {}
        grounds = None
        if deep or why:
            only = None if deep or why == EVERY else why
            grounds = why_of(loaded, subject, results, only, settings.limits)
        lines: list[str] = []
        if grounds is not None and why is not None:
            lines += why_text(grounds)
            found |= why_json(grounds)
        if grounds is not None and deep:
            deeper = deep_of(loaded, Standing.after(subject, results), grounds, settings.limits)
            lines += deep_text(loaded.program, deeper)
            found |= deep_json(loaded.program, deeper)
            codes.append(deep_code(deeper))
        if not as_json:
            click.echo("\n".join([*lines, summary(str(path), results)]))
    if as_json:
        reports: list[Json] = [to_json_report(*each) | more[each[0]] for each in proved]
        click.echo(json.dumps(reports, indent=2, ensure_ascii=False))
    if sarif is not None:
        write(sarif, json.dumps(to_sarif(proved), indent=2, ensure_ascii=False) + "\n")
    if junit is not None:
        write(junit, to_junit(proved))
    if certificate is not None:
        _certify(certificate, *proved[0][1:])
    sys.exit(1 if 1 in codes else max(codes))


def remembered(folder: Path | None) -> Cache:
    """What was found before, in this folder or the usual one."""
    return Cache(folder or default_folder(os.environ, Path.home()), _said)


def verified(
    loaded: Loaded,
    settings: Settings,
    *,
    show: Callable[[Loaded, Result], None],
    subject: Subject | None = None,
    names: Collection[str] | None = None,
) -> list[Result]:
    """The results, or those with these names, in the order of the policy; each is shown as soon as it is known, in that
    order."""
    order = [goal.name for goal in goals_of(loaded.program) if names is None or goal.name in names]
    found: dict[str, Result] = {}
    shown = 0
    with progress(sys.stderr, len(order)) as proving:
        proving(0)
        for result in proved_of(subject or subject_of(loaded.program, settings), settings.limits, order):
            found[result.name] = result
            while shown < len(order) and order[shown] in found:
                proving(None)
                show(loaded, found[order[shown]])
                shown += 1
            proving(len(found))
    if settings.cache is not None:
        settings.cache.prune()
    return [found[name] for name in order]


def _watched(
    settings: Settings, path: Path, loaded: Loaded, subject: Subject, names: Collection[str] | None
) -> list[Result]:
    """What `--watch` says of a policy, or of what has these names."""
    results = verified(loaded, settings, show=_printed, subject=subject, names=names)
    click.echo(summary(str(path), results))
    return results


def _certify(file: Path, loaded: Loaded, results: list[Result]) -> None:
    """The certificate is written, or an old one that no longer holds is gone."""
    found = certified(loaded.program, results)
    if isinstance(found, Unproved):
        file.unlink(missing_ok=True)
        click.echo(f"no certificate: {len(found.names)} not proved", err=True)
    else:
        write(file, to_text(found))


def echo(style: str, line: str) -> None:
    """Prints a line in its style: in colour on a terminal, unless NO_COLOR or CI say otherwise."""
    plain = any(os.environ.get(name) for name in ("NO_COLOR", "CI"))
    styled = click.style(line, fg=_COLOURS.get(style), bold=style in _BOLD or None, dim=style == "quiet" or None)
    click.echo(styled, color=False if plain else None)


def _said(line: str) -> None:
    click.echo(line, err=True)


def _printed(loaded: Loaded, result: Result) -> None:
    for style, line in text(loaded, result):
        echo(style, line)


def _nothing(_loaded: Loaded, _result: Result) -> None:
    """What `--json` shows before everything is known."""
