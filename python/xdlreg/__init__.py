"""Experiments on explainable deep learning for regression, run and read from Python.

    import xdlreg

    results = xdlreg.run({"data": {"n_samples": 200}, "train": {"epochs": 5}})
    results.runs                      # a polars frame, one row for each run
    results.figure("sum_relevance")   # a picture in a notebook

`docs/python.md` explains all names. The work is done by the programs `xdlreg-run` and `xdlreg-worker`, which this package
starts. Importing it loads nothing else: numpy and polars are imported when they are first needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import MissingLibtorch, RunError, SpecError, XdlregError

if TYPE_CHECKING:
    from .maps import Pumpkins as Pumpkins
    from .maps import analyzers as analyzers
    from .maps import explain as explain
    from .maps import predict as predict
    from .maps import simulate as simulate
    from .networks import export as export
    from .results import Results as Results
    from .running import Plan as Plan
    from .running import plan as plan
    from .running import run as run
    from .running import sweep as sweep

__version__ = "0.1.0"

__all__ = [
    "MissingLibtorch", "Plan", "Pumpkins", "Results", "RunError", "SpecError", "XdlregError",
    "analyzers", "explain", "export", "plan", "predict", "run", "simulate", "sweep",
]  # fmt: skip

_HOMES = {
    "Plan": "running", "plan": "running", "run": "running", "sweep": "running",
    "Results": "results",
    "Pumpkins": "maps", "analyzers": "maps", "explain": "maps", "predict": "maps", "simulate": "maps",
    "export": "networks",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xdlreg' has no attribute '{name}'")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
