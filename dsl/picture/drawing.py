"""The picture of a policy as SVG: panels side by side, each with its strata as columns.

A monospace font is assumed, so the size of a text is known without measuring it.
"""

from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from textwrap import wrap

from charter.dsl.picture.panels import Panel, RuleBox, panels
from charter.dsl.program import Program

PAGE = 1240  # the width that panels are wrapped at
CHAR, LINE = 7.3, 16  # of the font at 12 px
BOLD, TITLE = 8.0, 34  # of a title: the width of a character, and the characters that a line has at least
PAD, GAP, COLUMN_GAP, PANEL_GAP = 9, 12, 64, 20
LONGEST = 34  # characters of a line in a box; the rest is in its tooltip
_STYLE = """
  text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1a202c }
  .panel { fill: #f7fafc; stroke: #cbd5e0 } .rule { fill: #ffffff; stroke: #4a5568 }
  .fact { fill: #fff4d6; stroke: #b7791f } .title, .name { font-weight: bold } .title { font-size: 13px }
  .soft { fill: #5a6478 } .edge { fill: none; stroke: #4a5568; stroke-width: 1.3 }
  .overrides { stroke: #c53030; stroke-dasharray: 5 3 }
""".strip("\n")


def svg(program: Program) -> str:
    """The picture. Nothing in it overlaps; every text is whole or ends in an ellipsis with the whole as tooltip."""
    placed: list[tuple[float, float, _Drawn]] = []
    x, y, height, width = float(PANEL_GAP), 74.0, 0.0, 0.0
    for panel in panels(program):
        drawn = _draw(panel)
        if x > PANEL_GAP and x + drawn.width > PAGE:
            x, y, height = float(PANEL_GAP), y + height + PANEL_GAP, 0.0
        placed.append((x, y, drawn))
        x, height = x + drawn.width + PANEL_GAP, max(height, drawn.height)
        width = max(width, x)
    width, bottom = max(width, 640.0), y + height + PANEL_GAP
    title = f"Policy {program.name}: rules, facts and strata"
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{bottom:.0f}" '
                f'viewBox="0 0 {width:.0f} {bottom:.0f}" role="img">'
            ),
            f"<title>{escape(title)}</title>",
            f"<style>\n{_STYLE}\n</style>",
            *(_marker(name, colour) for name, colour in (("arrow", "#4a5568"), ("stop", "#c53030"))),
            f'<rect width="{width:.0f}" height="{bottom:.0f}" fill="#ffffff"/>',
            _text(PANEL_GAP, 28, title, "title"),
            *_legend(),
            *(f'<g transform="translate({x:.0f} {y:.0f})">\n{drawn.body}\n</g>' for x, y, drawn in placed),
            "</svg>\n",
        ]
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A panel, drawn with its corner at the origin."""

    width: float
    height: float
    body: str


@dataclass(slots=True)
class _Node:
    """A box in a column: of a rule or a fact, or the place that a long edge keeps free."""

    key: str
    kind: str  # "rule", "fact", "free"
    lines: list[tuple[str, str]] = field(default_factory=list)  # class and text
    left: "list[_Node]" = field(default_factory=list)  # what it is joined to in the column before
    x: float = 0
    y: float = 0
    width: float = 0

    @property
    def height(self) -> float:
        return 10 if self.kind == "free" else len(self.lines) * LINE + PAD + (PAD if self.kind == "rule" else 4)

    @property
    def needed(self) -> float:
        """The width that its lines need."""
        longest = max((min(len(text), LONGEST) for _, text in self.lines), default=0)
        return longest * CHAR + 2 * PAD + (8 if self.kind == "fact" else 0)


# --- a panel ---------------------------------------------------------------------------------------------------------


def _draw(panel: Panel) -> _Drawn:
    """The rules that wait for others or are waited for in columns, the rest below in a grid."""
    joined = {rule for rule, _ in panel.writes} | {rule for _, rule in panel.reads}
    joined |= {rule for pair in panel.overrides for rule in pair}
    columns, edges = _columns(panel, joined)
    alone = [_rule_node(box) for stratum in panel.strata for box in stratum if box.name not in joined]
    width = max(_place_columns(columns, 0), _place_grid(alone, 0))
    title = wrap(f"on {panel.title}", max(TITLE, int((width - 2 * PAD) / BOLD)))
    width = max(width, max(map(len, title)) * BOLD + 2 * PAD)
    top = 12.0 + len(title) * LINE + (22 if len(panel.strata) > 1 else 4)
    _place_columns(columns, top)
    bottom = max((node.y + node.height for column in columns for node in column), default=top - GAP)
    _place_grid(alone, bottom + (34 if columns else GAP))
    bottom = max([bottom, *(node.y + node.height for node in alone)])
    body = [
        f'<rect class="panel" width="{width:.0f}" height="{bottom + PAD:.0f}" rx="8"/>',
        *(_text(PAD, 20 + place * LINE, line, "title") for place, line in enumerate(title)),
        *_headings(columns, alone, top),
        *(_edge(path, kind) for path, kind in edges),
        *(_box(node) for column in [*columns, alone] for node in column if node.kind != "free"),
    ]
    return _Drawn(width, bottom + PAD, "\n".join(body))


def _columns(panel: Panel, joined: set[str]) -> tuple[list[list[_Node]], list[tuple[list[_Node], str]]]:
    """Columns of rules and facts in turn, and the edges, each as the nodes that it passes."""
    if not joined:
        return [], []
    columns: list[list[_Node]] = [[] for _ in range(2 * len(panel.strata))]
    at: dict[str, int] = {}
    nodes: dict[str, _Node] = {}
    for place, stratum in enumerate(panel.strata):
        for box in stratum:
            if box.name in joined:
                nodes[box.name], at[box.name] = _rule_node(box), 2 * place
                columns[2 * place].append(nodes[box.name])
    for _, variable in panel.writes:
        key = f"fact {variable}"
        if key not in nodes:
            nodes[key] = _Node(key, "fact", [("", variable)])
            at[key] = max(at[rule] for rule, written in panel.writes if written == variable) + 1
            columns[at[key]].append(nodes[key])
    pairs = [(rule, f"fact {variable}", "edge") for rule, variable in panel.writes]
    pairs += [(f"fact {variable}", rule, "edge") for variable, rule in panel.reads]
    pairs += [(rule, other, "edge overrides") for rule, other in panel.overrides]
    edges = []
    for first, last, kind in pairs:
        path = [nodes[first]]
        for column in range(at[first] + 1, at[last]):
            path.append(_Node("", "free"))
            columns[column].append(path[-1])
        edges.append(([*path, nodes[last]], kind))
        for left, right in pairwise(edges[-1][0]):
            right.left.append(left)
    _untangle(columns)
    return [column for column in columns if column], edges


def _untangle(columns: list[list[_Node]]) -> None:
    """Orders each column by the middle of what its nodes are joined to on the left, so that few edges cross."""
    for earlier, column in pairwise(columns):
        rank = {id(node): place for place, node in enumerate(earlier)}
        middles = {}
        for place, node in enumerate(column):
            ranks = [rank[id(left)] for left in node.left if id(left) in rank]
            middles[id(node)] = sum(ranks) / len(ranks) if ranks else float(place)
        column.sort(key=lambda node: middles[id(node)])


def _place_columns(columns: list[list[_Node]], top: float) -> float:
    """Gives the nodes their places, each about as high as what it is joined to; the width that they take."""
    x = float(PAD)
    for column in columns:
        width, y = max(node.needed for node in column), top
        for node in column:
            middles = [left.y + left.height / 2 for left in node.left]
            wanted = sum(middles) / len(middles) - node.height / 2 if middles else y
            node.x, node.y, node.width = x, max(y, wanted), width
            y = node.y + node.height + GAP
        x += width + COLUMN_GAP
    return x - COLUMN_GAP + PAD if columns else 0.0


def _place_grid(nodes: list[_Node], top: float) -> float:
    """Gives nodes their places in rows, in order; the width that they take."""
    if not nodes:
        return 0.0
    width = max(node.needed for node in nodes)
    across = max(1, min(len(nodes), 4 if len(nodes) > 4 else 2, int((PAGE - 4 * PANEL_GAP) / (width + GAP))))
    y = top
    for start in range(0, len(nodes), across):
        row = nodes[start : start + across]
        for place, node in enumerate(row):
            node.x, node.y, node.width = PAD + place * (width + GAP), y, width
        y += max(node.height for node in row) + GAP
    return across * (width + GAP) - GAP + 2 * PAD


def _rule_node(box: RuleBox) -> _Node:
    reads = [("soft", f"reads {', '.join(box.reads)}")] if box.reads else []
    return _Node(box.name, "rule", [("name", box.name), *(("", act) for act in box.acts), *reads])


# --- marks -----------------------------------------------------------------------------------------------------------


def _headings(columns: list[list[_Node]], alone: list[_Node], top: float) -> list[str]:
    marks = []
    strata = [column for column in columns if any(node.kind == "rule" for node in column)]
    if len(strata) > 1:
        for number, column in enumerate(strata, 1):
            marks.append(_text(column[0].x, top - 8, f"stratum {number}", "soft"))
    if columns and alone:
        marks.append(_text(PAD, alone[0].y - 8, "on their own, in stratum 1", "soft"))
    return marks


def _box(node: _Node) -> str:
    radius = node.height / 2 if node.kind == "fact" else 4
    rect = (
        f'<rect class="{node.kind}" x="{node.x:.0f}" y="{node.y:.0f}" width="{node.width:.0f}" '
        f'height="{node.height:.0f}" rx="{radius:.0f}"/>'
    )
    inset = PAD + (4 if node.kind == "fact" else 0)
    first = node.y + LINE + (2 if node.kind == "fact" else 3)
    texts = [
        _text(node.x + inset, first + place * LINE, _shortened(text, LONGEST), kind)
        for place, (kind, text) in enumerate(node.lines)
    ]
    whole = escape("\n".join(text for _, text in node.lines))
    return f"<g><title>{whole}</title>{rect}{''.join(texts)}</g>"


def _edge(path: list[_Node], kind: str) -> str:
    first = path[0]
    x, y = first.x + first.width, first.y + first.height / 2
    marks = [f"M {x:.0f} {y:.0f}"]
    for node in path[1:]:
        middle = node.y + node.height / 2
        bend = (node.x - x) / 2
        marks.append(f"C {x + bend:.0f} {y:.0f} {node.x - bend:.0f} {middle:.0f} {node.x:.0f} {middle:.0f}")
        x, y = node.x + node.width, middle
        if node is not path[-1]:
            marks.append(f"H {x:.0f}")
    end = "stop" if "overrides" in kind else "arrow"
    return f'<path class="{kind}" d="{" ".join(marks)}" marker-end="url(#{end})"/>'


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M 0 0 L 8 4 L 0 8 z" fill="{colour}"/></marker>'
    )


def _legend() -> list[str]:
    """What the marks mean, in one line below the title."""
    y = 52
    return [
        f'<rect class="rule" x="20" y="{y - 12}" width="22" height="16" rx="4"/>',
        _text(48, y, "rule and its acts", "soft"),
        f'<rect class="fact" x="192" y="{y - 12}" width="22" height="16" rx="8"/>',
        _text(220, y, "fact, written or waited for", "soft"),
        f'<path class="edge overrides" d="M 440 {y - 4} H 470" marker-end="url(#stop)"/>',
        _text(478, y, "overrides", "soft"),
    ]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{x:.0f}" y="{y:.0f}" xml:space="preserve">{escape(text)}</text>'


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
