"""Pictures and reports, which notebooks show by themselves."""

from __future__ import annotations

import os
import shutil
import webbrowser
from html import escape
from pathlib import Path
from typing import Any

TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".pdf": "application/pdf"}


class Picture:
    """A picture in a file. A notebook shows it, `save` copies it, and `data` has its bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    def save(self, path: str | os.PathLike[str]) -> None:
        shutil.copyfile(self.path, path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        kind = TYPES.get(self.path.suffix, "text/plain")
        if kind == "image/svg+xml":
            return {kind: self.path.read_text(encoding="utf-8")}
        return {kind: self.data if kind != "text/plain" else str(self)}

    def __repr__(self) -> str:
        return f"Picture({str(self.path)!r})"


class Report:
    """The report of a results folder: a page that needs no network. A notebook shows it, `open` shows it in a browser."""

    def __init__(self, path: Path, height: int = 700) -> None:
        self.path = path
        self.height = height

    def open(self) -> bool:
        return webbrowser.open(self.path.resolve().as_uri())

    def _repr_html_(self) -> str:
        page = escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width:100%;height:{self.height}px;border:0"></iframe>'

    def __repr__(self) -> str:
        return f"Report({str(self.path)!r})"
