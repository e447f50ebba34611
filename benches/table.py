"""Rows of the speed table, and Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Row:
    """A work: our figure, the peers' figures (None: not measured), and the ratio or the value that is the goal."""

    work: str
    ours: float | None
    unit: str
    peers: dict[str, float | None] = field(default_factory=dict)
    less_is_better: bool = False
    goal: str = ""

    def cells(self) -> list[str]:
        known = {name: value for name, value in self.peers.items() if value is not None}
        ratios = [self._ratio(value) for value in known.values()]
        unknown = [f"{name} not measured" for name in self.peers if name not in known]
        peers = [f"{name} {figure(value)}" for name, value in known.items()]
        ours = "not measured" if self.ours is None else f"{figure(self.ours)} {self.unit}"
        return [self.work, ours, ", ".join(peers + unknown), ", ".join(ratios), self.goal]

    def _ratio(self, peer: float) -> str:
        if self.ours is None:
            return ""
        return figure(peer / self.ours if self.less_is_better else self.ours / peer)


def figure(value: float) -> str:
    """Three digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])
