"""Networks with the maps that Zennit and Captum make of them, for tests that hold ours against these.

    python cases.py small FOLDER        layers of every kind, a few kilobytes (tensor/tests/data/layers)
    python cases.py large FOLDER        torchvision's VGG-11 and ResNet-18 at 64 x 64 x 3

Packages: torch, torchvision, zennit 0.5.1, captum, safetensors, numpy. A case is a folder of `model.toml`, `weights.safetensors` as
PyTorch saves them, `images.npy`, and a map for each analyzer, in float64.
"""
import pathlib
import sys

import numpy as np
import torch
import torchvision
from captum.attr import IntegratedGradients, Saliency
from safetensors.torch import save_file
from torch import nn
from zennit import composites
from zennit.attribution import Gradient
from zennit.canonizers import MergeBatchNorm, SequentialMergeBatchNorm
from zennit.layer import Sum
from zennit.torchvision import ResNetCanonizer

STEPS = 20


def merge_exactly(modules, batch_norm, merge=MergeBatchNorm.merge_batch_norm):
    """Zennit makes an identity of the batch norm that it merges, but for its epsilon of 1e-5, by which it still divides."""
    merge(modules, batch_norm)
    batch_norm.running_var.data -= batch_norm.eps


MergeBatchNorm.merge_batch_norm = staticmethod(merge_exactly)


def randomise(network, seed):
    """Weights with a gain of about 1 a layer, and batch norm that is not trained yet would not have."""
    generator = torch.Generator().manual_seed(seed)
    uniform = lambda tensor, low, high: tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                fan_in = module.weight[0].numel()
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * (1.6 / fan_in) ** 0.5)
                if module.bias is not None:
                    uniform(module.bias, -0.1, 0.1)
            if isinstance(module, (nn.BatchNorm2d, nn.BatchNorm1d)):
                uniform(module.weight, 0.5, 1.5)
                uniform(module.bias, -0.2, 0.2)
                uniform(module.running_mean, -0.3, 0.3)
                uniform(module.running_var, 0.5, 2.0)
    return network.eval()


def zennit_maps(network, images, canonizers):
    box = {"low": torch.zeros_like(images), "high": torch.ones_like(images)}
    for name, composite in {
        "epsilon_plus": composites.EpsilonPlus(canonizers=canonizers()),
        "epsilon_plus_flat": composites.EpsilonPlusFlat(canonizers=canonizers()),
        "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1(canonizers=canonizers()),
        "epsilon_gamma_box": composites.EpsilonGammaBox(canonizers=canonizers(), **box),
    }.items():
        with Gradient(model=network, composite=composite) as attributor:
            yield f"zennit.{name}", attributor(images, lambda output: output)[1]


def integrated_gradients(network, images):
    """Captum's, without the first point: on a black image the pixels of a max-pool's windows are all alike, and which of them
    wins is a matter of rounding."""
    target = lambda inputs: network(inputs)[:, 0]
    maps = IntegratedGradients(target).attribute(images, n_steps=STEPS, method="riemann_left")
    at_black = Saliency(target).attribute(torch.zeros_like(images, requires_grad=True), abs=False)
    return (maps - at_black * images / STEPS).detach()


def write(folder, model, network, images, canonizers):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(model)
    save_file(network.state_dict(), str(folder / "weights.safetensors"))
    np.save(folder / "images.npy", images.numpy())
    single = integrated_gradients(network, images)
    network, images = network.double(), images.double()
    maps = dict(zennit_maps(network, images, canonizers))
    target = lambda inputs: network(inputs)[:, 0]
    maps["gradient"] = Saliency(target).attribute(images.clone().requires_grad_(), abs=False)
    maps["integrated_gradients"] = double = integrated_gradients(network, images)
    off = (single.double() - double).abs().amax((1, 2, 3)) / double.abs().amax((1, 2, 3))
    (folder / "float32.txt").write_text(f"{off.max().item():.3e}\n")
    for name, values in maps.items():
        np.save(folder / f"{name}.npy", values.detach().numpy())


class Block(nn.Module):
    """A residual block whose sum Zennit knows of."""

    def __init__(self, branch, shortcut):
        super().__init__()
        self.branch, self.shortcut, self.sum = branch, shortcut, Sum()

    def forward(self, inputs):
        return self.sum(torch.stack([self.branch(inputs), self.shortcut(inputs)], dim=-1))


def every_kind():
    """Layers of every kind, with strides and paddings of all sorts, and a residual block within another."""
    inner = Block(nn.Sequential(nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1)), nn.Identity())
    branch = nn.Sequential(nn.Conv2d(5, 6, (3, 2), stride=(2, 1), padding=(1, 1), bias=False), nn.BatchNorm2d(6), inner)
    shortcut = nn.Sequential(nn.AvgPool2d((2, 1)), nn.Conv2d(5, 6, (1, 2), padding=(0, 1), bias=False), nn.BatchNorm2d(6))
    return nn.Sequential(
        nn.Conv2d(3, 5, (3, 5), stride=(1, 2), padding=(0, 2)),
        nn.LeakyReLU(0.1),
        nn.BatchNorm2d(5),
        Block(branch, shortcut),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(6, 7, 3, padding=1),
        nn.BatchNorm2d(7),
        nn.ELU(0.7),
        nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 1)),
        nn.Conv2d(7, 8, 2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Flatten(),
        nn.Linear(48, 9),
        nn.BatchNorm1d(9),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(9, 1),
    )


EVERY_KIND = """architecture = "layers"
layers = [
    { type = "conv", name = "0", filters = 5, kernel = [3, 5], stride = [1, 2], padding = [0, 2] },
    { type = "leaky_relu", slope = 0.1 },
    { type = "batch_norm", name = "2", epsilon = 1e-5 },
    { type = "residual", name = "3", branch = [
        { type = "conv", name = "3.branch.0", filters = 6, kernel = [3, 2], stride = [2, 1], padding = [1, 1], bias = false },
        { type = "batch_norm", name = "3.branch.1", epsilon = 1e-5 },
        { type = "residual", branch = [
            { type = "relu" },
            { type = "conv", name = "3.branch.2.branch.1", filters = 6, kernel = 3, padding = 1 },
        ] },
    ], shortcut = [
        { type = "avg_pool", kernel = [2, 1] },
        { type = "conv", name = "3.shortcut.1", filters = 6, kernel = [1, 2], padding = [0, 1], bias = false },
        { type = "batch_norm", name = "3.shortcut.2", epsilon = 1e-5 },
    ] },
    { type = "relu" },
    { type = "max_pool", kernel = 3, stride = 2, padding = 1 },
    { type = "conv", name = "6", filters = 7, kernel = 3, padding = 1 },
    { type = "batch_norm", name = "7", epsilon = 1e-5 },
    { type = "elu", alpha = 0.7 },
    { type = "avg_pool", kernel = [3, 2], stride = [2, 1], padding = [1, 1] },
    { type = "conv", name = "10", filters = 8, kernel = 2, padding = "valid" },
    { type = "relu" },
    { type = "avg_pool", output = [2, 3] },
    { type = "flatten" },
    { type = "dense", name = "14", units = 9 },
    { type = "batch_norm", name = "15", epsilon = 1e-5 },
    { type = "relu" },
    { type = "dropout" },
    { type = "dense", name = "18", units = 1 },
]
"""

if __name__ == "__main__":
    which, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    torch.manual_seed(1)
    if which == "small":
        images = torch.rand(2, 3, 18, 21)
        write(folder / "every_kind", EVERY_KIND, randomise(every_kind(), 2), images, lambda: [SequentialMergeBatchNorm()])
    else:
        images = torch.rand(2, 3, 64, 64)
        network = randomise(torchvision.models.resnet18(num_classes=1), 3)
        write(folder / "resnet18", 'architecture = "resnet18"\n', network, images, lambda: [ResNetCanonizer()])
        network = randomise(torchvision.models.vgg11(num_classes=1), 5)
        write(folder / "vgg11", 'architecture = "vgg11"\n', network, images, lambda: [])
