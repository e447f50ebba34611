"""A network learns the size of a blob in Keras; exported with xdlreg.networks, its maps here are iNNvestigate's.

    KERAS_PYTHON tests/export/test_innvestigate.py FOLDER [SECONDS]      tensorflow, innvestigate, numpy (benches/peers/requirements-keras.txt)

FOLDER has the programs, and the network learns for SECONDS. Differences are reported as a share of the largest value of a map.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf  # noqa: E402

# iNNvestigate 2 works with graphs alone.
tf.compat.v1.disable_eager_execution()
from innvestigate import create_analyzer  # noqa: E402
from tensorflow import keras  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
from xdlreg.networks import export  # noqa: E402

PROGRAM = pathlib.Path(sys.argv[1]).resolve() / "xdlreg-run"
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 20
# Maps may differ by this share of their maximum.
ALLOWED = 1e-4
ANALYZERS = [
    "lrp.z", "lrp.epsilon", "lrp.sequential_preset_a", "lrp.sequential_preset_b", "lrp.sequential_preset_a_flat", "lrp.alpha_2_beta_1",
    "lrp.w_square", "lrp.flat", "deep_taylor", "gradient", "input_t_gradient", "guided_backprop", "deconvnet",
]  # fmt: skip


def blobs(random, count):
    """Coloured discs on noise, [n, rows, columns, channels], and their radii in pixels."""
    draw = lambda low, high: random.uniform(low, high, (count, 1, 1))
    rows, columns = np.arange(40.0)[None, :, None], np.arange(48.0)[None, None, :]
    radius = draw(3, 12)
    disc = (rows - draw(14, 26)) ** 2 + (columns - draw(14, 34)) ** 2 < radius**2
    colours = random.uniform(0.5, 1, (count, 1, 1, 3))
    return (disc[..., None] * colours + 0.2 * random.random((count, 40, 48, 3))).astype(np.float32), radius[:, 0, 0]


def main():
    random = np.random.default_rng(3)
    images, radii = blobs(random, 1500)
    layers = keras.layers
    network = keras.Sequential([
        keras.Input((40, 48, 3)),
        layers.Conv2D(8, 3, padding="same", activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(12, 3, strides=2, activation="relu"), layers.MaxPooling2D(2, padding="same"),
        layers.Conv2D(16, 3, padding="same", activation="relu"), layers.Flatten(),
        layers.Dense(24, activation="relu"), layers.Dropout(0.2),
        layers.Dense(1, bias_initializer=keras.initializers.Constant(radii.mean())),
    ])  # fmt: skip
    network.compile(keras.optimizers.legacy.Adam(1e-3), "mse")
    start = time.monotonic()
    while time.monotonic() < start + SECONDS:
        network.fit(images, radii, batch_size=32, epochs=1, verbose=0)

    images, radii = blobs(random, 8)
    theirs = network.predict(images, verbose=0)[:, 0].astype(float)
    error = np.abs(theirs - radii).mean()
    print(f"{'trained in Keras':40} mean error {error:.2f} of radii from 3 to 12, after {SECONDS:.0f} s")
    assert error < 1.5, "it has learned"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        export(network, folder / "net")
        np.save(folder / "images.npy", np.ascontiguousarray(images.transpose(0, 3, 1, 2)))

        def run(*arguments):
            ended = subprocess.run(
                [PROGRAM, *arguments, "--spec", "net.toml", "--images", "images.npy", "--set", "run.device=cpu"],
                cwd=folder, capture_output=True, text=True,
            )  # fmt: skip
            assert ended.returncode == 0, ended.stderr

        run("predict", "--out", "predictions.csv")
        lines = (folder / "predictions.csv").read_text().split()[1:]
        check("predictions", np.array([float(line.split(",")[-1]) for line in lines]), theirs, 1e-5)
        for name in ANALYZERS:
            run("explain", "--analyzer", name, "--out", "maps.npy")
            maps = create_analyzer(name, network, disable_model_checks=True).analyze(images)
            check(name, np.load(folder / "maps.npy"), maps.transpose(0, 3, 1, 2), ALLOWED)


def check(what, ours, theirs, allowed):
    off = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"{what:40} {off:.1e} of the maximum", flush=True)
    assert ours.shape == theirs.shape and off <= allowed, f"{what} differs by {off:e}, allowed are {allowed:e}"


main()
