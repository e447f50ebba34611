"""A sweep as one writes it without xdlreg: joblib over runs, PyTorch, Zennit, matplotlib, pandas to Parquet. Each run
trains PumpkinNet on eight tenths of the images, predicts and explains the last tenth, and draws heatmaps."""

from __future__ import annotations

import argparse
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from pumpkin_net import pumpkin_net, train_epoch

BATCH = 4
EXPLAINED_AT_ONCE = 32

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("images", help="a set.npz of `xdlreg-run simulate`")
arguments.add_argument("out", type=pathlib.Path)
arguments.add_argument("--seeds", type=int, default=4)
arguments.add_argument("--composites", type=int, default=3, help="alpha 1, 2, ... on convolutions; each run trains")
arguments.add_argument("--epochs", type=int, default=2)
arguments.add_argument("--heatmaps", type=int, default=10)
arguments.add_argument("--jobs", type=int, default=2, help="runs at once, a thread each")


def explain(net: torch.nn.Module, images: torch.Tensor, alpha: float) -> np.ndarray:
    from zennit.attribution import Gradient
    from zennit.composites import LayerMapComposite
    from zennit.rules import AlphaBeta, Epsilon, Norm, Pass
    from zennit.types import Activation, AvgPool, Convolution, Linear

    rules = [
        (Activation, Pass()),
        (AvgPool, Norm()),
        (Convolution, AlphaBeta(alpha=alpha, beta=alpha - 1)),
        (Linear, Epsilon(epsilon=0.1)),
    ]
    with Gradient(model=net, composite=LayerMapComposite(rules)) as attributor:
        maps = [attributor(some, lambda output: output)[1].detach() for some in images.split(EXPLAINED_AT_ONCE)]
    return torch.cat(maps)[:, 0].numpy()


def draw(relevance: np.ndarray, path: pathlib.Path) -> None:
    figure, axes = plt.subplots()
    limit = abs(relevance).max()
    shown = axes.imshow(relevance, cmap="seismic", vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=axes, fraction=0.048, pad=0.04)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def run(options: argparse.Namespace, seed: int, alpha: int) -> dict[str, float]:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    with np.load(options.images) as data:
        images = torch.from_numpy(data["images"])[:, None]
        ages = torch.from_numpy(data["age"])[:, None]
    train, test = int(0.8 * len(ages)), int(0.9 * len(ages))
    net = pumpkin_net(output_bias=ages.mean().item())
    optimizer = torch.optim.Adam(net.parameters(), 5e-4)
    for _ in range(options.epochs):
        train_epoch(net, optimizer, images[:train], ages[:train], BATCH)
    net.eval()
    with torch.no_grad():
        predictions = net(images[test:])
    maps = explain(net, images[test:], float(alpha))
    folder = options.out / f"seed{seed}_alpha{alpha}"
    folder.mkdir(parents=True)
    for picture in range(min(options.heatmaps, len(maps))):
        draw(maps[picture], folder / f"{picture}.png")
    return {
        "seed": seed,
        "alpha": alpha,
        "test_mae": (predictions - ages[test:]).abs().mean().item(),
        "sum_relevance": float(maps.sum() / len(maps)),
    }


if __name__ == "__main__":
    options = arguments.parse_args()
    cells = [(seed, alpha) for seed in range(options.seeds) for alpha in range(1, options.composites + 1)]
    rows = Parallel(n_jobs=options.jobs)(delayed(run)(options, *cell) for cell in cells)
    pd.DataFrame(rows).to_parquet(options.out / "runs.parquet")
