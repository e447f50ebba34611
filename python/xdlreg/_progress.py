"""How far an experiment is, in a terminal or a notebook."""

from __future__ import annotations

import shutil
import sys
import time
from html import escape
from typing import Any, Protocol

SECONDS_BETWEEN = 0.1


class Display(Protocol):
    def show(self, share: float, text: str) -> None: ...

    def close(self, text: str) -> None: ...


class Terminal:
    """One line on standard error, written anew."""

    def show(self, share: float, text: str) -> None:
        done = round(20 * share)
        line = f"{'█' * done}{'░' * (20 - done)} {text}"
        sys.stderr.write(f"\r\x1b[2K{line[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()

    def close(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[2K{text}\n")
        sys.stderr.flush()


class Notebook:
    """An output of the running cell, replaced as the work goes on."""

    def __init__(self) -> None:
        self.handle: Any = None

    def show(self, share: float, text: str) -> None:
        self.put(f'<progress value="{share:.3f}" max="1" style="width:16em"></progress> {escape(text)}')

    def close(self, text: str) -> None:
        self.put(escape(text).replace("\n", "<br>"))

    def put(self, html: str) -> None:
        from IPython.display import HTML, display

        if self.handle is None:
            self.handle = display(HTML(html), display_id=True)
        else:
            self.handle.update(HTML(html))


def display_for(wanted: bool) -> Display | None:
    """Where progress can be seen; nowhere if it is not wanted, or if standard error is no terminal."""
    if not wanted:
        return None
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and type(shell).__name__ == "ZMQInteractiveShell":
        return Notebook()
    return Terminal() if sys.stderr is not None and sys.stderr.isatty() else None


class Progress:
    """Counts what the events of an experiment tell."""

    def __init__(self, display: Display | None) -> None:
        self.display = display
        self.shown_at = 0.0
        self.folder: str | None = None
        self.name = ""
        self.runs = self.stages = self.ended = self.done = self.failed = self.invalid = 0
        self.parts: dict[str, float] = {}
        self.doing = ""
        self.reasons: list[str] = []
        self.notes: list[str] = []
        self.started_at = time.monotonic()

    def hear(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "experiment_started":
            self.folder, self.name = event["folder"], event["name"]
            self.runs, self.stages = event["runs"], event["stages"]
        elif kind in ("stage_started", "stage_progress", "epoch_finished"):
            self.advance(kind, event)
        elif kind in ("stage_cached", "stage_finished", "stage_failed", "stage_invalid"):
            self.parts.pop(event["key"], None)
            self.ended += 1
        elif kind == "run_finished":
            self.count(event)
        elif kind == "note":
            self.notes.append(event["message"])
        if self.display is not None and self.stages and time.monotonic() - self.shown_at > SECONDS_BETWEEN:
            self.shown_at = time.monotonic()
            self.display.show(self.share(), self.line())

    def advance(self, kind: str, event: dict[str, Any]) -> None:
        self.doing = event["stage"]
        if kind == "epoch_finished":
            self.parts[event["key"]] = event["epoch"] / max(1, event["epochs"])
            error = event.get("val_mae")
            self.doing = f"epoch {event['epoch']}/{event['epochs']}" + (
                f", validation MAE {error:.3g}" if error is not None else ""
            )
        elif kind == "stage_progress":
            self.parts[event["key"]] = event["done"] / max(1, event["total"])
            self.doing = f"{event['stage']} {event['done']}/{event['total']} {event['unit']}"

    def count(self, event: dict[str, Any]) -> None:
        status = event["status"]
        self.done += status == "done"
        self.failed += status == "failed"
        self.invalid += status == "invalid"
        if status == "failed" and event.get("reason"):
            self.reasons.append(event["reason"])

    def share(self) -> float:
        return min(1.0, (self.ended + sum(self.parts.values())) / self.stages)

    def line(self) -> str:
        return " · ".join([self.name, *self.ends(f"{self.done}/{self.runs} runs"), self.doing])

    def ends(self, first: str) -> list[str]:
        return [
            first,
            *(f"{count} {what}" for count, what in [(self.failed, "failed"), (self.invalid, "invalid")] if count),
        ]

    def close(self) -> None:
        if self.display is not None and self.stages:
            ended = ", ".join(self.ends(f"{self.done} of {self.runs} runs done"))
            seconds = time.monotonic() - self.started_at
            notes = [f"note: {note}" for note in dict.fromkeys(self.notes)]
            self.display.close("\n".join([f"{self.name}: {ended} in {seconds:.1f} s", *notes]))
