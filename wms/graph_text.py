"""Write a graph as the text of a Mermaid flowchart or of a DOT graph. (core)"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class LineStyle(StrEnum):
    """How the line of an edge looks."""

    PLAIN = "plain"
    DOTTED = "dotted"
    THICK = "thick"


_ARROWS = {LineStyle.PLAIN: "-->", LineStyle.DOTTED: "-.->", LineStyle.THICK: "==>"}


@dataclass(frozen=True, slots=True)
class TextNode:
    """A node of a graph to write: the lines of its label, and its color."""

    label: tuple[str, ...]
    color: str
    is_round: bool = False


@dataclass(frozen=True, slots=True)
class TextEdge:
    """An edge of a graph to write, between the places of two nodes."""

    source: int
    target: int
    label: str = ""
    color: str = "#000000"
    line: LineStyle = LineStyle.PLAIN


def write_mermaid(nodes: Sequence[TextNode], edges: Sequence[TextEdge], *, direction: str = "TD") -> str:
    """Return the text of a Mermaid flowchart. `direction` is TD (down) or LR (to the right)."""
    lines = [f"flowchart {direction}"]
    for place, node in enumerate(nodes):
        label = "<br/>".join(_quote_mermaid(line) for line in node.label if line)
        opened, closed = ("([", "])") if node.is_round else ("[", "]")
        lines += [f'  n{place}{opened}"{label}"{closed}', f"  style n{place} fill:{node.color}"]
    for edge in edges:
        label = f'|"{_quote_mermaid(edge.label)}"|' if _needs_quotes(edge.label) else f"|{edge.label}|"
        lines.append(f"  n{edge.source} {_ARROWS[edge.line]}{label if edge.label else ''} n{edge.target}")
    return "\n".join(lines) + "\n"


def write_dot(name: str, nodes: Sequence[TextNode], edges: Sequence[TextEdge], *, direction: str = "TD") -> str:
    """Return the text of a DOT graph. `name` is a word. `direction` is TD (down) or LR (to the right)."""
    lines = [f"digraph {name} {{", *(["  rankdir=LR;"] if direction == "LR" else [])]
    lines.append("  node [shape=box, style=filled];")
    for place, node in enumerate(nodes):
        label = "\\n".join(_quote_text(line) for line in node.label if line)
        shape = ", shape=ellipse" if node.is_round else ""
        lines.append(f'  n{place} [label="{label}", fillcolor="{node.color}"{shape}];')
    lines += [
        f'  n{edge.source} -> n{edge.target} [label="{_quote_text(edge.label)}", color="{edge.color}"];'
        for edge in edges
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _quote_text(text: str) -> str:
    """Return a text for a label. The names come from users."""
    return "".join(each if each.isprintable() else " " for each in text).replace("\\", "/").replace('"', "'")


def _quote_mermaid(text: str) -> str:
    return _quote_text(text).replace("<", "&lt;").replace(">", "&gt;").replace("#", "&num;")


def _needs_quotes(label: str) -> bool:
    return not label.isalnum()
