"""Networks of PyTorch and Keras, exported with python/xdlreg/networks.py, predict here what they predict there, and have Zennit's maps.

    TORCH_PYTHON tests/export/test_export.py torch FOLDER [SECONDS]     torch, torchvision, zennit 0.5.1, safetensors, numpy
    KERAS_PYTHON tests/export/test_export.py keras FOLDER               tensorflow or keras, numpy

FOLDER has the programs. Differences are told as a share of the largest value.
"""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "examples")]
from xdlreg.networks import Unsupported, export, export_keras, export_torch  # noqa: E402

LIBRARY, PROGRAM = sys.argv[1], pathlib.Path(sys.argv[2]).resolve() / "xdlreg-run"
FOLDER = pathlib.Path(tempfile.mkdtemp())
# How long the network of the last test learns.
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 20


def run(*arguments):
    ended = subprocess.run([PROGRAM, *map(str, arguments), "--set", "run.device=cpu"], cwd=FOLDER, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def predicted(*network, images="images.npy"):
    run("predict", *network, "--images", images, "--out", "predictions.csv")
    lines = (FOLDER / "predictions.csv").read_text().split()[1:]
    return np.array([float(line.split(",")[-1]) for line in lines])


def hold(what, ours, theirs, allowed):
    off = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"{what:40} {off:.1e} of the maximum")
    assert ours.shape == theirs.shape and off <= allowed, f"{what}: off by {off:e}, allowed {allowed:e}"


def refused(export, network, *names):
    for name in ("no.toml", "no.safetensors"):
        (FOLDER / name).unlink(missing_ok=True)
    try:
        export(network, FOLDER / "no.toml", FOLDER / "no.safetensors")
    except Unsupported as error:
        assert all(name in str(error) for name in names), error
        assert not (FOLDER / "no.toml").exists() and not (FOLDER / "no.safetensors").exists()
    else:
        raise AssertionError(f"{names} is not refused")


def test_torch():
    import torch
    import torchvision
    from torch import nn

    torch.manual_seed(1)

    def settle(network):
        """Batch norm with statistics that are not 0 and 1."""
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                for tensor, low, high in ((module.weight, 0.5, 1.5), (module.bias, -0.2, 0.2), (module.running_mean, -0.3, 0.3),
                                          (module.running_var, 0.5, 2.0)):
                    nn.init.uniform_(tensor.data, low, high)
        return network.eval()

    def same_predictions(what, network, images):
        np.save(FOLDER / "images.npy", images.numpy())
        export_torch(network, FOLDER / "net.toml", FOLDER / "net.safetensors")
        with torch.no_grad():
            theirs = network.double()(images.double())[:, 0].numpy()
        hold(f"{what}, predictions", predicted("--spec", "net.toml"), theirs, 1e-5)

    sequential = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 5, (3, 5), stride=(1, 2), padding=(0, 2)), nn.LeakyReLU(0.1), nn.BatchNorm2d(5)),
        nn.Conv2d(5, 6, 3, padding="same", bias=False), nn.ELU(0.7), nn.MaxPool2d(3, 2, 1), nn.Dropout2d(0.2), nn.Identity(),
        nn.AvgPool2d(2, padding=1), nn.AdaptiveAvgPool2d((2, 3)), nn.Flatten(), nn.Linear(36, 9), nn.BatchNorm1d(9), nn.ReLU(),
        nn.Dropout(), nn.Linear(9, 1),
    )
    same_predictions("nn.Sequential", settle(sequential), torch.rand(3, 3, 34, 41))
    images = torch.rand(2, 3, 64, 64)
    same_predictions("torchvision, resnet18", settle(torchvision.models.resnet18(num_classes=1)), images)
    same_predictions("torchvision, resnet50", settle(torchvision.models.resnet50(num_classes=1)), images)
    vgg = torchvision.models.vgg
    same_predictions("torchvision, VGG", settle(vgg.VGG(vgg.make_layers([8, "M", 512, "M"], batch_norm=True), num_classes=1)), images)

    last = (nn.Flatten(), nn.Linear(3, 1))
    refused(export_torch, nn.Sequential(nn.Conv2d(3, 3, 3, dilation=2), *last), "`0` (Conv2d)", "dilation")
    refused(export_torch, nn.Sequential(nn.Sequential(nn.GELU()), *last), "`0.0` (GELU)")
    refused(export_torch, nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), *last), "`0` (MaxPool2d)", "ceil_mode")
    refused(export_torch, torchvision.models.squeezenet1_0(num_classes=1), "SqueezeNet")
    refused(export_torch, torchvision.models.resnet18(), "1000 units")
    assert [path.name for path in export(sequential, FOLDER / "named")] == ["named.toml", "named.safetensors"]
    refused(lambda network, *_: export(network, FOLDER / "nothing"), {}, "dict is neither")

    test_pumpkin_net(torch)
    test_trained(torch, nn)


def test_pumpkin_net(torch):
    """The network of the example, with weights that were trained elsewhere and pumpkins that are drawn here."""
    from pumpkin_net import PumpkinNet
    from safetensors.torch import load_file

    weights = ROOT / "tensor/tests/data/keras_pumpkin_net.safetensors"
    subprocess.run([PROGRAM, "simulate", "--n", "20", "--out", "set.npz"], cwd=FOLDER, check=True, capture_output=True)
    network = PumpkinNet()
    network.load_state_dict(load_file(weights))
    with torch.no_grad():
        theirs = network(torch.from_numpy(np.load(FOLDER / "set.npz")["images"])[:, None]).numpy()
    hold("PumpkinNet of the example, predictions", predicted("--weights", weights, images="set.npz"), theirs, 1e-5)


def test_trained(torch, nn):
    """A network learns the size of a blob in PyTorch; here its maps are Zennit's."""
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlus

    generator = torch.Generator().manual_seed(3)

    def blobs(count):
        draw = lambda low, high: (torch.rand(count, 1, 1, generator=generator) * (high - low) + low)
        rows, cols = torch.arange(40.0)[None, :, None], torch.arange(48.0)[None, None, :]
        size = draw(3, 12)
        blob = ((rows - draw(14, 26)) ** 2 + (cols - draw(14, 34)) ** 2 < size**2).float()
        colors = torch.rand(count, 3, 1, 1, generator=generator) * 0.5 + 0.5
        return blob[:, None] * colors + torch.rand(count, 3, 40, 48, generator=generator) * 0.2, size[:, 0, 0]

    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(320, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 1),
    )
    images, sizes = blobs(1500)
    nn.init.constant_(network[-1].bias, sizes.mean())
    optimizer, start = torch.optim.Adam(network.parameters(), 1e-3), time.monotonic()
    while time.monotonic() < start + SECONDS:
        chosen = torch.randint(0, len(images), (32,), generator=generator)
        loss = ((network(images[chosen])[:, 0] - sizes[chosen]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    images, sizes = blobs(8)
    export_torch(network, FOLDER / "net.toml", FOLDER / "net.safetensors")
    np.save(FOLDER / "images.npy", images.numpy())
    network, images = network.double(), images.double()
    with torch.no_grad():
        theirs = network(images)[:, 0].numpy()
    print(f"{'trained in PyTorch':40} mean error {np.abs(theirs - sizes.numpy()).mean():.2f} of sizes from 3 to 12")
    assert np.abs(theirs - sizes.numpy()).mean() < 1.5, "it has learned"
    hold("trained in PyTorch, predictions", predicted("--spec", "net.toml"), theirs, 1e-5)
    with Gradient(model=network, composite=EpsilonPlus(canonizers=[SequentialMergeBatchNorm()])) as attributor:
        maps = attributor(images, lambda output: output)[1].detach().numpy()
    run("explain", "--spec", "net.toml", "--images", "images.npy", "--analyzer", "zennit.epsilon_plus", "--out", "maps.npy")
    ours = np.load(FOLDER / "maps.npy")
    hold("trained in PyTorch, EpsilonPlus", ours, maps if ours.ndim == 4 else maps.sum(1), 1e-4)


def test_keras():
    os.environ.setdefault("KERAS_BACKEND", "tensorflow" if importlib.util.find_spec("tensorflow") else "torch")
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    images = np.random.default_rng(1).random((3, 33, 42, 3), dtype=np.float32)
    np.save(FOLDER / "images.npy", images.transpose(0, 3, 1, 2).copy())

    def same_predictions(what, model):
        for layer in model.layers:
            if isinstance(layer, layers_of_norm):
                layer.set_weights([values + np.linspace(0.1, 0.5, len(values)) for values in layer.get_weights()])
        export_keras(model, FOLDER / "net.toml", FOLDER / "net.safetensors")
        hold(f"{what}, predictions", predicted("--spec", "net.toml"), model.predict(images, verbose=0)[:, 0].astype(float), 1e-5)

    layers_of_norm = layers.BatchNormalization
    same_predictions("keras.Sequential", keras.Sequential([
        keras.Input((33, 42, 3)), layers.Conv2D(5, (3, 4), strides=2, padding="same", activation="relu"), layers.BatchNormalization(),
        layers.MaxPooling2D(3, strides=2, padding="same"), layers.Conv2D(6, 3, use_bias=False), layers.LeakyReLU(),
        layers.BatchNormalization(scale=False), layers.AveragePooling2D(2, strides=2, padding="same"), layers.Flatten(),
        layers.Dropout(0.3), layers.Dense(7, activation="elu"), layers.Dense(1),
    ]))
    inputs = keras.Input((33, 42, 3))
    outputs = layers.Conv2D(4, 3, strides=(2, 1), padding="valid", activation="relu")(inputs)
    outputs = layers.Dense(1)(layers.GlobalAveragePooling2D()(outputs))
    same_predictions("functional Keras model", keras.Model(inputs, outputs))
    both = layers.Conv2D(3, 3, padding="same", name="side")(inputs)
    branched = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling2D()(layers.Add(name="joined")([inputs, both]))))
    refused(export_keras, branched, "`joined` (Add)", "branches")
    odd = keras.Sequential([keras.Input((33, 42, 3)), layers.SeparableConv2D(3, 3, name="odd"), layers.Flatten(), layers.Dense(1)])
    refused(export_keras, odd, "`odd` (SeparableConv2D)")


{"torch": test_torch, "keras": test_keras}[LIBRARY]()
