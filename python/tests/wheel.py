"""The wheel in fresh virtual environments, away from the source tree: `make test-wheel`.

    python3 python/tests/wheel.py DIST PYTHON...      the folder with the wheel, and the Pythons to install it into

pip fetches numpy and polars. libtorch comes from the per-user cache that `make setup` filled. The variable TORCH_PYTHON names a Python
with torch 2.11, whose packages are then added to the environment of the same version. Where XDLREG_TEST_SETUP is set,
`xdlreg-run setup` really fetches libtorch (544 MB) into an empty cache, with the first Python.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TINY = '[data]\nn_samples = 100\nseed = 126\n\n[train]\nepochs = 1\n\n[heatmaps]\ncount = 1\n\n[run]\ndevice = "cpu"\n'
ORIGINAL = """
from xdlreg.run_simulation import run_simulation
run_simulation(path="P", n_samples=100, uniform=False, target_bias=55, epochs=1, plot_n_heatmaps=1)
"""
EXAMPLES = """
import xdlreg
results = xdlreg.run("tiny.toml")
print(results, results.relevance().shape, xdlreg.explain(results, results.images()[:2], analyzer="lrp.z").shape)
"""


def user_cache():
    home = os.environ.get("XDG_CACHE_HOME")
    return os.environ.get("XDLREG_CACHE") or str((Path(home) if home else Path.home() / ".cache") / "xdlreg")


class Installed:
    """In an environment of one Python."""

    python = None
    wheel = None

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = Path(temporary.name)
        cls.venv = cls.folder / "venv"
        subprocess.run([cls.python, "-m", "venv", str(cls.venv)], check=True)
        pip = [str(cls.venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, str(cls.wheel)], check=True)
        found = subprocess.run(
            [str(cls.venv / "bin/python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            stdout=subprocess.PIPE,
            text=True,
        )
        cls.packages = Path(found.stdout.strip())

    def setUp(self):
        self.work = Path(tempfile.mkdtemp(dir=self.folder))
        (self.work / "tiny.toml").write_text(TINY)

    def run_in(self, *command, cache=None, **more):
        """A command of the environment, with nothing of the developer's around it: no compiler, no Rust, no source tree."""
        env = {
            "PATH": f"{self.venv / 'bin'}:/nothing",
            "HOME": str(self.folder),
            "XDLREG_CACHE": cache or str(self.folder / "empty"),
            **more,
        }
        command = [str(self.venv / "bin" / command[0]), *command[1:]]
        return subprocess.run(
            command, cwd=self.work, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def assert_done(self, done):
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        return done.stdout

    def test_without_libtorch_all_but_computing_works(self):
        self.assertIn("xdlreg-run 0.1.0", self.assert_done(self.run_in("xdlreg-run", "--version")))
        self.assertIn("1 run: 1 simulate", self.assert_done(self.run_in("xdlreg-run", "plan", "tiny.toml")))
        self.assert_done(self.run_in("xdlreg-run", "simulate", "--n", "2", "--out", "set.npz"))
        self.assertIn(
            "4 (4, 98, 98)",
            self.assert_done(
                self.run_in("python", "-c", "import xdlreg; p = xdlreg.simulate(4); print(len(p), p.images.shape)")
            ),
        )

    def test_one_sentence_says_how_to_get_libtorch(self):
        for command in (
            ["xdlreg-run", "tiny.toml"],
            ["xdlreg", "--epochs", "1"],
            ["xdlreg-run", "explain", "--weights", "x"],
            ["xdlreg-worker", "task", "plan.json", "0"],
        ):
            done = self.run_in(*command)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
            self.assertIn("run `xdlreg-run setup` to fetch it once", done.stderr)
            self.assertIn('`pip install "xdlreg[torch]"`', done.stderr)
        done = self.run_in("python", "-c", 'import xdlreg; xdlreg.run("tiny.toml")')
        self.assertIn("MissingLibtorch: xdlreg needs libtorch 2.11", done.stderr)
        self.assertEqual(sorted(os.listdir(self.work)), ["tiny.toml"])

    def test_another_torch_is_told_with_the_command_that_fixes_it(self):
        # All that is read of torch before it is used.
        other = self.folder / "other"
        (other / "torch" / "lib").mkdir(parents=True, exist_ok=True)
        (other / "torch" / "__init__.py").touch()
        (other / "torch" / "lib" / "libtorch_cpu.so").touch()
        (other / "torch" / "version.py").write_text("__version__ = '2.8.0+cpu'\n")
        done = self.run_in("xdlreg-run", "tiny.toml", PYTHONPATH=str(other))
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
        self.assertIn(
            'needs torch 2.11, and this environment has torch 2.8.0+cpu: run `pip install "torch==2.11.*"`', done.stderr
        )
        # With a libtorch of its own it works beside that torch.
        self.assert_done(self.run_in("xdlreg-run", "tiny.toml", PYTHONPATH=str(other), cache=user_cache()))

    def test_the_cache_of_the_user_provides_libtorch(self):
        self.assertIn("1 done, 0 failed", self.assert_done(self.run_in("xdlreg-run", "tiny.toml", cache=user_cache())))
        self.assertIn(
            "1 done (10, 98, 98) (2, 98, 98)",
            self.assert_done(self.run_in("python", "-c", EXAMPLES, cache=user_cache())),
        )
        self.assert_done(self.run_in("python", "-c", ORIGINAL, cache=user_cache()))
        flags = "--path Q --n_samples 100 --uniform f --target_bias 55 --epochs 1 --plot_n_heatmaps 1"
        self.assert_done(self.run_in("xdlreg", *flags.split(), cache=user_cache()))
        runs = [self.work / folder / "100_human_non-uniform-55_1-epochs" / "runs.parquet" for folder in "PQ"]
        self.assertTrue(all(path.is_file() for path in runs))
        # A single task, as a cluster carries it out.
        self.assert_done(self.run_in("xdlreg-worker", "task", "results/tiny/plan.json", "0", cache=user_cache()))

    def test_the_torch_of_the_environment_provides_libtorch(self):
        torch = os.environ.get("TORCH_PYTHON")
        if not torch:
            self.skipTest("TORCH_PYTHON is not set")
        code = "import json, sys, sysconfig; print(json.dumps([sys.version_info[:2], sysconfig.get_path('purelib')]))"
        versions = [
            json.loads(subprocess.run([one, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout)
            for one in (torch, self.python)
        ]
        if versions[0][0] != versions[1][0]:
            self.skipTest(f"TORCH_PYTHON is Python {versions[0][0]}")
        path = self.packages / "torch-of-another-environment.pth"
        path.write_text(versions[0][1] + "\n")
        self.addCleanup(path.unlink)
        self.assertIn("1 done, 0 failed", self.assert_done(self.run_in("xdlreg-run", "tiny.toml")))
        self.assertIn("1 done (10, 98, 98)", self.assert_done(self.run_in("python", "-c", EXAMPLES)))

    def test_setup_fetches_libtorch(self):
        self.assertEqual(self.run_in("xdlreg-run", "setup", "gpu").returncode, 2)
        if not os.environ.get("XDLREG_TEST_SETUP") or self.python != PYTHONS[0]:
            self.skipTest("XDLREG_TEST_SETUP is not set")
        cache = str(self.folder / "filled")
        pip = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
        self.assert_done(self.run_in("xdlreg-run", "setup", cache=cache, **pip))
        self.assertIn("is in", self.run_in("xdlreg-run", "setup", cache=cache).stderr)
        self.assertIn("1 done, 0 failed", self.assert_done(self.run_in("xdlreg-run", "tiny.toml", cache=cache)))


class Contents(unittest.TestCase):
    def test_nothing_names_the_machine_that_built_it(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.unpack_archive(WHEEL, folder, "zip")
            files = [path for path in Path(folder).rglob("*") if path.is_file() and "bin" not in path.parts]
            for path in files:
                self.assertNotIn(str(REPOSITORY).encode(), path.read_bytes(), path)
            program = Path(folder) / "xdlreg" / "bin" / "xdlreg-worker"
            dynamic = subprocess.run(["readelf", "-d", str(program)], stdout=subprocess.PIPE, text=True).stdout
            self.assertIn("[$ORIGIN/../../torch/lib]", dynamic)
        self.assertRegex(WHEEL.name, r"^xdlreg-[\d.]+-py3-none-manylinux_2_\d+_x86_64\.whl$")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    (WHEEL,) = Path(sys.argv[1]).resolve().glob("xdlreg-*.whl")
    PYTHONS, sys.argv = sys.argv[2:], sys.argv[:1]
    for number, python in enumerate(PYTHONS):
        name = f"With_{number}_{Path(python).name.replace('.', '_')}"
        globals()[name] = type(name, (Installed, unittest.TestCase), {"python": python, "wheel": WHEEL})
    unittest.main(verbosity=2)
