"""The original's call: `from xdlreg.run_simulation import run_simulation`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .results import Results


def run_simulation(
    path: str | os.PathLike[str] | None = None,
    n_samples: int = 2000,
    uniform: bool = True,
    target_bias: float | None = None,
    epochs: int = 25,
    plot_n_heatmaps: int = 20,
    growth_mode: str = "human",
    progress: bool = True,
) -> Results:
    """Simulates pumpkins, trains PumpkinNet and explains its predictions, as XDLreg's function of this name does.

    The arguments are those of the original and of the console command `xdlreg`, which does the work; `path` is the folder
    for results, "results" by default. The original trains 80 epochs by default, and this function 25.
    """
    from .running import follow

    flags = {
        "path": path, "n_samples": n_samples, "uniform": uniform, "target_bias": target_bias, "epochs": epochs,
        "plot_n_heatmaps": plot_n_heatmaps, "growth_mode": growth_mode,
    }  # fmt: skip
    arguments = [f"--{name}={value}" for name, value in flags.items() if value is not None]
    return follow("xdlreg", arguments, progress)
