"""Explains the images in `../keras_images.f32` by Zennit's composites and writes the maps into this folder.

    python make_zennit.py        (torch, zennit 0.5.1, safetensors, numpy)
"""
import pathlib

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from zennit import composites
from zennit.attribution import Gradient

here = pathlib.Path(__file__).parent
weights = load_file(str(here.parent / "keras_pumpkin_net.safetensors"))
layers = []
for number in range(1, 6):
    weight = weights[f"conv{number}.weight"]
    filters, channels, kernel, _ = weight.shape
    # At the even side of 98 SAME pooling pads behind only, which ceil_mode does by itself.
    pool = nn.MaxPool2d(3, 2, padding=0 if number == 1 else 1, ceil_mode=number == 1)
    layers += [(f"conv{number}", nn.Conv2d(channels, filters, kernel, padding=kernel // 2)), (f"relu{number}", nn.ReLU())]
    layers += [(f"pool{number}", pool)]
layers += [("flatten", nn.Flatten()), ("dense", nn.Linear(512, 64)), ("relu6", nn.ReLU()), ("output", nn.Linear(64, 1))]
net = nn.Sequential()
for name, layer in layers:
    net.add_module(name, layer)
net.load_state_dict(weights)
net.eval()

images = torch.from_numpy(np.fromfile(here.parent / "keras_images.f32", np.float32).reshape(-1, 1, 98, 98))
with torch.no_grad():
    expected = np.fromfile(here.parent / "keras_predictions.f32", np.float32)
    assert np.allclose(net(images)[:, 0].numpy(), expected, atol=1e-3)

box = {"low": torch.zeros_like(images), "high": torch.ones_like(images)}
for name, composite in {
    "epsilon_plus": composites.EpsilonPlus(),
    "epsilon_plus_flat": composites.EpsilonPlusFlat(),
    "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1(),
    "epsilon_alpha2_beta1_flat": composites.EpsilonAlpha2Beta1Flat(),
    "epsilon_gamma_box": composites.EpsilonGammaBox(**box),
}.items():
    with Gradient(model=net, composite=composite) as attributor:
        _, relevance = attributor(images, lambda output: output)
    np.save(here / f"zennit.{name}.npy", relevance[:, 0].numpy().astype(np.float32))
