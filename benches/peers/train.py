"""Train PumpkinNet with PyTorch eager, float32, Adam. Prints images a second, of the best epoch."""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from pumpkin_net import pumpkin_net, train_epoch

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("images", help="a set.npz of `xdlreg-run simulate`")
arguments.add_argument("--batch", type=int, default=4)
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--epochs", type=int, default=3)
options = arguments.parse_args()

torch.set_num_threads(options.threads)
torch.manual_seed(0)
with np.load(options.images) as data:
    images = torch.from_numpy(data["images"])[:, None]
    ages = torch.from_numpy(data["age"])[:, None]
net = pumpkin_net(output_bias=ages.mean().item())
optimizer = torch.optim.Adam(net.parameters(), 5e-4)
rates = []
for _ in range(options.epochs):
    start = time.perf_counter()
    train_epoch(net, optimizer, images, ages, options.batch)
    rates.append(len(images) / (time.perf_counter() - start))
print(max(rates))
