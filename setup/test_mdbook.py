"""Tests of the installation of mdBook, with a cargo that is a script. No network is used."""

import io
import os
import tempfile
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

import mdbook

CARGO = """#!/bin/sh
for word in "$@"; do case "$word" in --root=*) root="${word#--root=}";; --version=*) version="${word#--version=}";; esac; done
test -z "$CARGO_TARGET_DIR" || exit 3
mkdir -p "$root/bin" && printf '#!/bin/sh\\necho "$@" >> "%s"\\n' "$CALLS" > "$root/bin/mdbook" && chmod +x "$root/bin/mdbook"
echo "install $version" >> "$CALLS"
"""


class MdBook(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.calls = self.folder / "calls"
        cargo = self.folder / "cargo"
        cargo.write_text(CARGO)
        cargo.chmod(0o755)
        settings = {"CARGO": str(cargo), "CALLS": str(self.calls), "XDLREG_CACHE": str(self.folder), "CARGO_TARGET_DIR": "/elsewhere"}
        patch = mock.patch.dict(os.environ, settings)
        patch.start()
        self.addCleanup(patch.stop)

    def build(self):
        with redirect_stderr(io.StringIO()) as said:
            code = mdbook.main("docs")
        return code, said.getvalue()

    def test_the_pinned_version_is_installed_once_and_then_builds(self):
        self.assertEqual(self.build()[0], 0)
        self.assertEqual(self.build()[0], 0)
        self.assertEqual(self.calls.read_text().splitlines(), [f"install {mdbook.VERSION}", "build docs", "build docs"])

    def test_a_failed_installation_says_what_to_do_and_leaves_nothing(self):
        os.environ["CARGO"] = "false"
        code, said = self.build()
        self.assertEqual(code, 1)
        self.assertIn("mdbook build docs", said)
        self.assertFalse((self.folder / "tools" / f"mdbook-{mdbook.VERSION}").exists())


if __name__ == "__main__":
    unittest.main()
