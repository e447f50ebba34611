"""Train a network on colour images with PyTorch eager, float32, Adam. Prints images per second of the best epoch.

With --write, writes the images and a table of targets for xdlreg instead.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from pumpkin_net import train_epoch
from torch import nn

SIDE = 64


def small_network() -> nn.Sequential:
    """The network of benches/specs/layers.toml."""
    layers: list[nn.Module] = []
    channels = 3
    for filters in (16, 32, 64):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8 * 8, 64), nn.ReLU(), nn.Linear(64, 1))


NETWORKS = {"layers": small_network, "resnet18": lambda: torchvision.models.resnet18(num_classes=1)}

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("network", choices=NETWORKS)
arguments.add_argument("images", type=int, help="how many images")
arguments.add_argument("--batch", type=int, default=32)
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--epochs", type=int, default=3)
arguments.add_argument("--write", type=Path, help="a folder for images.npy and table.csv")
options = arguments.parse_args()

random = np.random.default_rng(0)
images = random.random((options.images, 3, SIDE, SIDE), dtype=np.float32)
targets = images.mean(axis=(1, 2, 3))
if options.write:
    np.save(options.write / "images.npy", images)
    # The last tenth is there since every data set needs one; it is not trained on.
    rows = [f"{target:.6f},{'train' if n < options.images * 0.9 else 'validation'}\n" for n, target in enumerate(targets)]
    rows[-4:] = [row.replace("validation", "test") for row in rows[-4:]]
    (options.write / "table.csv").write_text("target,part\n" + "".join(rows))
else:
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    count = int(options.images * 0.9)
    net = NETWORKS[options.network]()
    optimizer = torch.optim.Adam(net.parameters(), 1e-4)
    rates = []
    for _ in range(options.epochs):
        start = time.perf_counter()
        train_epoch(net, optimizer, torch.from_numpy(images[:count]), torch.from_numpy(targets[:count, None]), options.batch)
        # xdlreg validates in every epoch as well.
        net.eval()
        with torch.no_grad():
            net(torch.from_numpy(images[count:]))
        rates.append(count / (time.perf_counter() - start))
    print(max(rates))
