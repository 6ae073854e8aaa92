"""Pictures of a policy: its rules, facts and strata per kind of event."""

from charter.dsl.picture.drawing import svg
from charter.dsl.picture.panels import Panel, panels
from charter.dsl.program import Program

__all__ = ["mermaid", "svg"]


def mermaid(program: Program) -> str:
    """A Mermaid flowchart: a frame for each kind of event, in it one for each stratum, from left to right."""
    lines = ["flowchart LR"]
    for number, panel in enumerate(panels(program), 1):
        lines += _framed(f"e{number}", panel)
    lines.append("  classDef fact fill:#fff4d6,stroke:#b7791f,color:#1a202c")
    return "\n".join(lines) + "\n"


def _framed(key: str, panel: Panel) -> list[str]:
    rules = {box.name: f"{key}_{box.name}" for stratum in panel.strata for box in stratum}
    facts = {variable: f"{key}_fact_{variable}" for _, variable in panel.writes}
    lines = [f'  subgraph {key}["on {panel.title}"]', "    direction LR"]
    for place, stratum in enumerate(panel.strata, 1):
        lines.append(f'    subgraph {key}_s{place}["stratum {place}"]')
        for box in stratum:
            shown = [f"<b>{box.name}</b>", *box.acts, *([f"<i>reads {', '.join(box.reads)}</i>"] if box.reads else [])]
            lines.append(f'      {rules[box.name]}["{"<br/>".join(shown)}"]')
        lines.append("    end")
    lines += [f'    {node}(["{variable}"]):::fact' for variable, node in facts.items()]
    lines += [f"    {rules[rule]} --> {facts[variable]}" for rule, variable in panel.writes]
    lines += [f"    {facts[variable]} --> {rules[rule]}" for variable, rule in panel.reads]
    lines += [f"    {rules[rule]} -. overrides .-> {rules[other]}" for rule, other in panel.overrides]
    return [*lines, "  end"]
