"""Tests of the set-up with fake wheels: `python3 -m unittest discover setup`. No network is used."""

import functools
import hashlib
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
import zipfile
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

import libtorch
from libtorch import Entry, Pins, Problem, Wheel

TORCH = {
    "torch/__init__.py": "python",
    "torch/include/torch/torch.h": "header",
    "torch/lib/libtorch.so": "both halves",
    "torch/lib/libtorch_cpu.so": "cpu",
    "torch/lib/libtorch_cuda.so": "cuda",
    "torch/lib/libtorch_python.so": "python",
    "torch/lib/libc10.so": "c10",
    "torch/lib/libc10_cuda.so": "cuda",
    "torch/lib/libshm/libshm.h": "header",
}
CUDART = {
    "nvidia/cu13/lib/libcudart.so.13": "cudart",
    "nvidia/cu13/lib/libcublas.so.13": "cublas",
    "nvidia/cu13/lib/libcudart_static.a": "static",
    "nvidia/cu13/include/cuda.h": "header",
}
CPU_FILES = {
    "torch/build-version",
    "torch/include/torch/torch.h",
    "torch/lib/libtorch.so",
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "nvidia/cu13/lib/libcudart.so.13",
}


def make_wheel(folder: Path, name: str, files: dict) -> Wheel:
    """Write a wheel of version 1.0 that suits every platform, and pin it."""
    path = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(name, "1.0", 0.1, f"{name}==1.0 --hash=sha256:{digest}")


def files_below(folder: Path) -> set:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


class InTemporaryFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.said = io.StringIO()
        redirect = redirect_stderr(self.said)
        redirect.__enter__()
        self.addCleanup(redirect.__exit__, None, None, None)


class Install(InTemporaryFolder):
    def setUp(self):
        super().setUp()
        self.index = self.folder / "index"
        self.index.mkdir()
        wheels = [make_wheel(self.index, "torch", TORCH), make_wheel(self.index, "nvidia-cuda-runtime", CUDART)]
        self.pins = Pins(wheels, 1)
        self.library = self.folder / "libtorch"
        self.target = self.library / "2.11.0-cpu"
        self.fetched = []

    def fetch(self, wheel, folder):
        """Stands in for pip: a complete wheel that is there already is not fetched again."""
        source = wheel.find(self.index)
        if not (folder / source.name).exists():
            self.fetched.append(wheel.name)
            (folder / source.name).write_bytes(source.read_bytes())

    def install(self, flavour="cpu", fetch=None, check=lambda tree: None):
        target = self.library / f"2.11.0-{flavour}"
        libtorch.install(target, flavour, self.pins, fetch or self.fetch, check)
        return target

    def test_cpu_flavour_holds_what_libtorch_cpu_needs(self):
        self.install()
        self.assertEqual(files_below(self.target), CPU_FILES)
        self.assertEqual((self.target / "torch/lib/libtorch.so").read_text(), "INPUT(libtorch_cpu.so)\n")
        self.assertEqual((self.target / "torch/build-version").read_text().strip(), libtorch.VERSION)
        self.assertEqual(files_below(self.library), {".lock"} | {f"2.11.0-cpu/{file}" for file in CPU_FILES})

    def test_cuda_flavour_holds_every_library(self):
        files = files_below(self.install("cuda"))
        self.assertLess(CPU_FILES | {"torch/lib/libtorch_cuda.so", "nvidia/cu13/lib/libcublas.so.13"}, files)
        self.assertFalse({file for file in files if file.endswith((".a", ".py", "cuda.h"))})
        self.assertEqual((self.library / "2.11.0-cuda/torch/lib/libtorch.so").read_text(), "both halves")

    def test_what_is_complete_is_left_alone(self):
        self.install()
        self.fetched.clear()
        self.install()
        self.assertEqual(self.fetched, [])

    def test_interrupted_fetch_goes_on_where_it_was(self):
        def interrupted(wheel, folder):
            if wheel.name != "torch":
                raise KeyboardInterrupt
            self.fetch(wheel, folder)

        with self.assertRaises(KeyboardInterrupt):
            self.install(fetch=interrupted)
        self.assertFalse(self.target.exists())
        self.install()
        self.assertEqual(self.fetched, ["torch", "nvidia-cuda-runtime"])
        self.assertEqual(files_below(self.target), CPU_FILES)

    def test_library_that_does_not_load_is_not_installed(self):
        def refuse(tree):
            raise Problem("does not load")

        with self.assertRaisesRegex(Problem, "does not load"):
            self.install(check=refuse)
        self.assertFalse(self.target.exists())
        with self.assertRaisesRegex(Problem, "does not load"):  # these files are no libraries
            self.install(check=libtorch.check_loads)

    def run_apart(self, body: str) -> subprocess.Popen:
        """Install in a process of its own, with `body` defining fetch and check."""
        program = f"""
            import os, pathlib, shutil, time, libtorch
            from libtorch import Pins, Wheel
            index = pathlib.Path({str(self.index)!r})
            {body}
            libtorch.install(pathlib.Path({str(self.target)!r}), "cpu", {self.pins!r}, fetch, check)
        """
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parent, stderr=subprocess.DEVNULL
        )

    def test_process_that_dies_while_unpacking_leaves_no_half_library(self):
        dying = self.run_apart(
            "fetch = lambda wheel, folder: shutil.copy(wheel.find(index), folder); check = lambda tree: os._exit(9)"
        )
        self.assertEqual(dying.wait(), 9)
        self.assertTrue((self.library / ".staging/tree/torch").exists())
        self.assertFalse(self.target.exists())
        (self.library / ".staging/tree/torch/lib/half-written.so").write_text("leftover")
        self.install()
        self.assertEqual(self.fetched, [])
        self.assertEqual(files_below(self.library), {".lock"} | {f"2.11.0-cpu/{file}" for file in CPU_FILES})

    def test_leftovers_beside_a_complete_library_are_swept(self):
        self.install()
        (self.library / ".staging/wheels").mkdir(parents=True)
        with libtorch.locked(self.library):
            libtorch.sweep(self.library)
            self.assertTrue((self.library / ".staging").exists(), "another set-up's work is not to be touched")
        libtorch.sweep(self.library)
        self.assertFalse((self.library / ".staging").exists())

    def test_of_two_set_ups_at_once_one_fetches(self):
        log = self.folder / "log"
        body = (
            f"fetch = lambda wheel, folder: (open({str(log)!r}, 'a').write(wheel.name + ' '), time.sleep(0.1), "
            "shutil.copy(wheel.find(index), folder)); check = lambda tree: None"
        )
        both = [self.run_apart(body), self.run_apart(body)]
        self.assertEqual([process.wait() for process in both], [0, 0])
        self.assertEqual(log.read_text().split(), ["torch", "nvidia-cuda-runtime"])
        self.assertEqual(files_below(self.target), CPU_FILES)

    def test_no_room_is_said_before_anything_is_fetched(self):
        self.pins = Pins(self.pins.wheels, 10**12)
        with self.assertRaisesRegex(Problem, "not enough room"):
            self.install()
        self.assertEqual(self.fetched, [])

    @unittest.skipUnless(importlib.util.find_spec("pip"), "this Python has no pip")
    def test_pip_takes_the_pinned_wheel_and_no_other(self):
        quietly = functools.partial(subprocess.run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for patch in (
            mock.patch.dict(os.environ, {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index)}),
            mock.patch.object(libtorch.subprocess, "run", quietly),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        wheel = self.pins.wheels[1]
        wheels = self.folder / "wheels"
        wheels.mkdir()
        libtorch.pip_download(wheel, wheels)
        self.assertEqual(wheel.find(wheels).read_bytes(), wheel.find(self.index).read_bytes())
        wheel.find(self.index).write_bytes(wheel.find(self.index).read_bytes() + b"tampered")
        wheel.find(wheels).unlink()
        with self.assertRaisesRegex(Problem, "could not fetch nvidia-cuda-runtime 1.0"):
            libtorch.pip_download(wheel, wheels)
        self.assertEqual(files_below(wheels), set())


class CargoConfig(unittest.TestCase):
    def test_all_else_is_kept(self):
        config = '[build]\njobs = 2\n\n[env]\nRUST_LOG = "info"\nLIBTORCH = "/old"\n\n[alias]\nb = "build"\n'
        written = libtorch.write_entry(config, Entry(Path("/new"), ours=True))
        self.assertEqual(written, config.replace('"/old"', f'"/new" {libtorch.OURS}'))
        self.assertEqual(libtorch.write_entry(written, libtorch.read_entry(written)), written)

    def test_table_is_made_where_it_is_missing(self):
        entry = Entry(Path('/a "quoted" path'), ours=True)
        for config in ("", "[build]\njobs = 2\n", '[env]\nRUST_LOG = "info"\n'):
            written = libtorch.write_entry(config, entry)
            self.assertEqual(written.count("[env]"), 1)
            self.assertEqual(libtorch.read_entry(written), entry)
            self.assertLessEqual(set(config.splitlines()), set(written.splitlines()))

    def test_only_the_env_table_is_read(self):
        self.assertIsNone(libtorch.read_entry('[other]\nLIBTORCH = "/x"\n'))
        self.assertEqual(libtorch.read_entry("[env]\nLIBTORCH = '/x' # mine\n"), Entry(Path("/x"), ours=False))
        with self.assertRaisesRegex(Problem, "plainly"):
            libtorch.read_entry('[env]\nLIBTORCH = { value = "/x", relative = true }\n')


class Choose(InTemporaryFolder):
    def setUp(self):
        super().setUp()
        self.env = {"XDLREG_CACHE": str(self.folder / "cache")}

    def fetched(self, flavour):
        return Entry(self.folder / "cache/libtorch" / f"2.11.0-{flavour}" / "torch", ours=True)

    def own(self, name="own"):
        (self.folder / name / "lib").mkdir(parents=True)
        (self.folder / name / "lib/libtorch_cpu.so").touch()
        return self.folder / name

    def test_cpu_unless_told_otherwise(self):
        self.assertEqual(libtorch.choose(self.env, None), self.fetched("cpu"))

    def test_flavour_asked_for_stays_until_another_is_asked_for(self):
        cuda = libtorch.choose({**self.env, "LIBTORCH_FLAVOUR": "cuda"}, self.fetched("cpu"))
        self.assertEqual(cuda, self.fetched("cuda"))
        self.assertEqual(libtorch.choose(self.env, cuda), cuda)
        self.assertEqual(libtorch.choose({**self.env, "LIBTORCH_FLAVOUR": "cpu"}, cuda), self.fetched("cpu"))
        with self.assertRaisesRegex(Problem, "not rocm"):
            libtorch.choose({**self.env, "LIBTORCH_FLAVOUR": "rocm"}, None)

    def test_cache_that_moved_is_followed(self):
        before = Entry(Path("/elsewhere/libtorch/2.11.0-cuda/torch"), ours=True)
        self.assertEqual(libtorch.choose(self.env, before), self.fetched("cuda"))

    def test_own_libtorch_comes_first_and_is_remembered(self):
        own = Entry(self.own(), ours=False)
        self.assertEqual(libtorch.choose({**self.env, "LIBTORCH": str(own.root)}, self.fetched("cpu")), own)
        self.assertEqual(libtorch.choose(self.env, own), own)

    def test_own_libtorch_that_is_not_there_is_an_error(self):
        for value in ("/nowhere", ""):
            with self.assertRaisesRegex(Problem, "has no lib/libtorch_cpu"):
                libtorch.choose({**self.env, "LIBTORCH": value}, None)
        with self.assertRaisesRegex(Problem, "Correct the line"):
            libtorch.choose(self.env, Entry(Path("/nowhere"), ours=False))


class ShippedPins(unittest.TestCase):
    def test_every_line_is_a_pin(self):
        files = sorted(libtorch.WHEELS.glob("*.txt"))
        self.assertEqual(len(files), 5)
        for file in files:
            pins = libtorch.read_pins(file)
            lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
            self.assertEqual(len(pins.wheels), len(lines), file)
            self.assertEqual((pins.wheels[0].name, pins.wheels[0].version), ("torch", libtorch.VERSION), file)


if __name__ == "__main__":
    unittest.main()
