"""Holds CUDA against the CPU on a machine with an NVIDIA GPU: python3 tests/gpu/test_cuda.py FOLDER_OF_THE_PROGRAMS

Trainings repeat bit for bit, also after a kill, and maps agree with those of the CPU. Needs nothing but Python.
"""
import array
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

PROGRAM = str(pathlib.Path(sys.argv.pop(1)).absolute() / "xdlreg-run") if len(sys.argv) > 1 else "xdlreg-run"
SPEC = str(pathlib.Path(__file__).resolve().parents[2] / "configs/quickstart.toml")
IMAGES = 4
# Of the largest relevance of a map.
TOLERANCE = 1e-4
# These divide by sums that nearly cancel: without biases, or of positive and negative parts. On the CPU alone, one rounding of
# the images moves maps of lrp.epsilon_IB by up to 0.2 and those of lrp.z_IB by up to 0.5 of their maximum.
ILL_CONDITIONED = {"lrp.alpha_2_beta_1": 5e-3, "lrp.epsilon_IB": 0.2, "lrp.z_IB": 0.5}


def ask(*arguments, code=0):
    """What xdlreg-run prints, once it has ended with the exit code that is expected."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != code:
        raise AssertionError(f"exit code {done.returncode} of {arguments}:\n{done.stdout}")
    return done.stdout


def quick_start(output, *settings, device="cuda"):
    """The arguments of a quick start without heatmaps."""
    changes = [f"--set={setting}" for setting in (f"run.device={device}", "heatmaps.count=0", *settings)]
    return ["run", SPEC, "--output", str(output), *changes]


def weights(output):
    (model,) = (output / "quickstart/models").glob("*.safetensors")
    return model.read_bytes()


def maps(path):
    """The maps of an npy file of little-endian float32, each as a list."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<H", data, 8)
    assert data[:7] == b"\x93NUMPY\x01" and b"'<f4'" in data[10:10 + length], path
    values = array.array("f", data[10 + length:])
    side = len(values) // IMAGES
    return [values[start:start + side] for start in range(0, len(values), side)]


def analyzers():
    """All names that the schema knows, but "lrp", which needs a composite."""
    def names(node):
        if isinstance(node, dict):
            if "lrp.z" in node.get("enum", ()):
                yield from node["enum"]
            node = list(node.values())
        if isinstance(node, list):
            for inner in node:
                yield from names(inner)

    return sorted(set(names(json.loads(ask("schema")))) - {"lrp"})


class Cuda(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_trainings_repeat_bit_for_bit(self):
        for setting in ("model.batch_norm=false", "model.batch_norm=true", "train.optimizer=adamw",
                        "model.task=classification"):
            with self.subTest(setting):
                outputs = [self.folder / f"{setting}-{attempt}" for attempt in range(2)]
                for output in outputs:
                    ask(*quick_start(output, setting, "train.epochs=4"))
                self.assertEqual(*map(weights, outputs))

    def test_a_killed_training_continues_bit_for_bit(self):
        whole, killed = self.folder / "whole", self.folder / "killed"
        ask(*quick_start(whole))
        events = killed / "quickstart/events.jsonl"
        with subprocess.Popen([PROGRAM, *quick_start(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            for _ in range(1200):
                if events.exists() and events.read_text().count('"epoch_finished"') >= 4:
                    break
                time.sleep(0.05)
            run.send_signal(signal.SIGKILL)
        ask(*quick_start(killed))
        self.assertIn("after epoch", events.read_text(), "it was killed too late")
        self.assertEqual(weights(whole), weights(killed))

    def test_maps_agree_with_those_of_the_cpu(self):
        trained, images = self.folder / "trained", self.folder / "images.npz"
        ask(*quick_start(trained, device="cpu"))
        (model,) = (trained / "quickstart/models").glob("*.safetensors")
        ask("simulate", "--n", IMAGES, "--out", images)

        def explained(case):
            analyzer, device = case
            out = self.folder / f"{analyzer}-{device}.npy"
            ask("explain", "--weights", model, "--images", images, "--analyzer", analyzer,
                f"--set=run.device={device}", "--out", out)
            return maps(out)

        names = analyzers()
        self.assertGreater(len(names), 20)
        with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as pool:
            found = list(pool.map(explained, [(name, device) for name in names for device in ("cpu", "cuda")]))
        for name, cpu, cuda in zip(names, found[::2], found[1::2]):
            worst = max(max(abs(a - b) for a, b in zip(one, other)) / max(map(abs, one)) for one, other in zip(cpu, cuda))
            print(f"{name}: {worst:.1e} of the maximum")
            with self.subTest(name):
                self.assertLess(worst, ILL_CONDITIONED.get(name, TOLERANCE))

    def test_a_device_that_is_not_there_is_refused(self):
        output = self.folder / "none"
        self.assertIn("no CUDA device 63", ask(*quick_start(output, device="cuda:63"), code=2))
        self.assertFalse(output.exists())


if __name__ == "__main__":
    unittest.main()
