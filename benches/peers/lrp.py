"""LRP maps (epsilon 0.1 on dense layers, alpha 1 beta 0 on convolution layers) with a peer library, of a network and
images of xdlreg. Prints maps a second, of the best round, preparation left out."""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

BATCH = 32


def zennit(weights: str, images: np.ndarray, threads: int):
    import torch
    from pumpkin_net import load, pumpkin_net
    from safetensors.torch import load_file
    from zennit.attribution import Gradient
    from zennit.composites import LayerMapComposite
    from zennit.rules import AlphaBeta, Epsilon, Norm, Pass
    from zennit.types import Activation, AvgPool, Convolution, Linear

    torch.set_num_threads(threads)
    net = pumpkin_net()
    load(net, load_file(weights))
    rules = [
        (Activation, Pass()),
        (AvgPool, Norm()),
        (Convolution, AlphaBeta(alpha=1.0, beta=0.0)),
        (Linear, Epsilon(epsilon=0.1)),
    ]
    attributor = Gradient(model=net.eval(), composite=LayerMapComposite(rules))
    attributor.__enter__()
    tensor = torch.from_numpy(images[:, None])
    return lambda first: attributor(tensor[first : first + BATCH], lambda output: output)


def innvestigate(weights: str, images: np.ndarray, threads: int):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.compat.v1.disable_eager_execution()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from innvestigate import create_analyzer
    from safetensors.numpy import load_file
    from tensorflow.keras import Sequential
    from tensorflow.keras import layers as keras

    convolutions = [(16, 3), (16, 3), (32, 3), (64, 3), (32, 1)]
    net = Sequential([keras.InputLayer((98, 98, 1))])
    for filters, kernel in convolutions:
        net.add(keras.Conv2D(filters, kernel, padding="same", activation="relu"))
        net.add(keras.MaxPool2D(3, 2, padding="same"))
    for layer in (keras.Flatten(), keras.Dropout(0.5), keras.Dense(64, activation="relu"), keras.Dense(1)):
        net.add(layer)
    # Here channels come last, also in the order in which the map is flattened.
    given = load_file(weights)
    values = []
    for name in ["conv1", "conv2", "conv3", "conv4", "conv5"]:
        values += [given[f"{name}.weight"].transpose(2, 3, 1, 0), given[f"{name}.bias"]]
    dense = given["dense.weight"].reshape(64, 32, 4, 4).transpose(2, 3, 1, 0).reshape(512, 64)
    net.set_weights(values + [dense, given["dense.bias"], given["output.weight"].T, given["output.bias"]])
    analyzer = create_analyzer("lrp.sequential_preset_a", net, disable_model_checks=True)
    return lambda first: analyzer.analyze(images[first : first + BATCH, :, :, None])


arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("library", choices=["zennit", "innvestigate"])
arguments.add_argument("weights", help="a .safetensors file of results/NAME/models")
arguments.add_argument("images", help="a set.npz of `xdlreg-run simulate`")
arguments.add_argument("--maps", type=int, default=256)
arguments.add_argument("--threads", type=int, default=1)
arguments.add_argument("--rounds", type=int, default=3)
options = arguments.parse_args()

with np.load(options.images) as data:
    images = data["images"][: options.maps]
prepare = {"zennit": zennit, "innvestigate": innvestigate}[options.library]
explain = prepare(options.weights, images, options.threads)
explain(0)
rates = []
for _ in range(options.rounds):
    start = time.perf_counter()
    for first in range(0, len(images), BATCH):
        explain(first)
    rates.append(len(images) / (time.perf_counter() - start))
print(max(rates))
