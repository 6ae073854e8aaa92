"""The main job, from the outside: agents, tools, a server and a client, each its own process, and conversations."""

from pathlib import Path

from charter.engine.local.child import DidNotStart
from charter.engine.local.play import play, summary
from charter.engine.local.running import Print, missing_models, running, verified
from charter.engine.local.script import Script


async def demo(folder: Path, script: Script, work: Path, show: Print) -> bool:
    """The script was played against the policy in `folder`; whether all was as expected, and the audit chain holds."""
    if missing := missing_models(script.cast):
        show(missing)
        return False
    show("starting (the first time, an agent learns from the policy's utterances)")
    try:
        async with running(folder, script.cast, work, show) as up:
            tally = await play(script, up, show)
    except DidNotStart as error:
        show(f"it did not start:\n{error}")
        return False
    show("")
    for line in summary(tally):
        show(line)
    report = up.verified()
    show(verified(report))
    return not tally.misses and report.intact
