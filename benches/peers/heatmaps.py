"""Heatmaps with colour bar and, unless plain, atrophy squares and lesion arrows, drawn with matplotlib. Prints pictures
a second."""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("images", help="a set.npz of `xdlreg-run simulate`")
arguments.add_argument("maps", help="its relevance maps, .npy")
arguments.add_argument("--pictures", type=int, default=10)
arguments.add_argument("--plain", action="store_true", help="without squares and arrows")
options = arguments.parse_args()
with np.load(options.images) as data:
    signs = {
        kind: [
            np.stack([data[f"{kind}_row"], data[f"{kind}_col"]], axis=1)[data[f"{kind}_sample"] == picture]
            for picture in range(options.pictures)
        ]
        for kind in ("lesion", "atrophy")
    }
maps = np.load(options.maps)


def draw(picture: int, folder: pathlib.Path) -> None:
    figure, axes = plt.subplots()
    limit = abs(maps[picture]).max()
    shown = axes.imshow(maps[picture], cmap="seismic", vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=axes, fraction=0.048, pad=0.04)
    for row, column in [] if options.plain else signs["atrophy"][picture]:
        axes.plot(column, row, "s", color="#D3F5D4", ms=2, alpha=0.9)
    for row, column in [] if options.plain else signs["lesion"][picture]:
        arrow = dict(arrowstyle="simple", color="#E3E7E3", alpha=0.9)
        axes.annotate("", xy=(column, row), xytext=(column - 5, row + 5), arrowprops=arrow)
    figure.tight_layout()
    figure.savefig(folder / f"{picture}.png")
    plt.close(figure)


start = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    for picture in range(options.pictures):
        draw(picture, pathlib.Path(folder))
print(options.pictures / (time.perf_counter() - start))
