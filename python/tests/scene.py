"""What the tests of the package share: a small experiment that really runs, and folders to run it in."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
# One second of work: enough for every table, array and picture.
TINY = {
    "data": {"n_samples": 100, "seed": 126}, "train": {"epochs": 1}, "heatmaps": {"count": 2}, "run": {"device": "cpu"},
}  # fmt: skip


class InFolder(unittest.TestCase):
    """Tests that share a folder, which is the working directory."""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.addClassCleanup(os.chdir, os.getcwd())
        os.chdir(temporary.name)
        cls.folder = Path(temporary.name)

    def everything(self):
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))


def python(code):
    """The words of a command that runs `code` in this Python, with this package."""
    return [sys.executable, "-B", "-c", code]
