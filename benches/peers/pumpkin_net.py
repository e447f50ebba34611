"""PumpkinNet in PyTorch, as far as training and Zennit need it."""

from __future__ import annotations

import torch
from torch import nn

BLOCKS = [(16, 3), (16, 3), (32, 3), (64, 3), (32, 1)]  # filters, kernel side


def pumpkin_net(output_bias: float | None = None) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 1
    for filters, kernel in BLOCKS:
        layers += [nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        channels = filters
    net = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 1))
    if output_bias is not None:
        nn.init.constant_(net[-1].bias, output_bias)
    return net


def train_epoch(
    net: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, ages: torch.Tensor, batch: int
) -> None:
    net.train()
    order = torch.randperm(len(images))
    for first in range(0, len(images), batch):
        chosen = order[first : first + batch]
        optimizer.zero_grad()
        nn.functional.mse_loss(net(images[chosen]), ages[chosen]).backward()
        optimizer.step()


def load(net: nn.Sequential, weights: dict[str, torch.Tensor]) -> None:
    """Weights of results/NAME/models into the network: layers in order of depth."""
    names = ["conv1", "conv2", "conv3", "conv4", "conv5", "dense", "output"]
    layers = [layer for layer in net if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for name, layer in zip(names, layers):
        layer.load_state_dict({part: weights[f"{name}.{part}"] for part in ("weight", "bias")})
