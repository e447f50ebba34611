#!/usr/bin/env python3
"""Build a book with mdBook: what `make docs` does.

    python3 setup/mdbook.py FOLDER      the folder with book.toml

mdBook is a crate of a pinned version. cargo compiles it once per user (some minutes), into the cache beside libtorch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from libtorch import Problem, cache_root, locked, say

VERSION = "0.5.4"


def install(target: Path) -> None:
    """Install mdBook as the folder `target`, all of it or nothing."""
    with locked(target.parent):
        if target.exists():
            return
        say(f"compiling mdBook {VERSION} once for this user")
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            staging = Path(scratch) / "installed"
            command = [
                os.environ.get("CARGO", "cargo"), "install", "--quiet", "--locked", f"--version={VERSION}", f"--root={staging}",
                "--no-default-features", "--features=search", "mdbook",
            ]  # fmt: skip
            # A target folder that the caller shares with this project would mix the two.
            env = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
            if subprocess.run(command, env=env).returncode != 0:
                raise Problem("cargo could not install mdBook: its own message is above.\nInstall it yourself and run `mdbook build docs`.")
            staging.rename(target)


def main(folder: str) -> int:
    try:
        target = cache_root(os.environ) / "tools" / f"mdbook-{VERSION}"
        install(target)
    except Problem as problem:
        say(str(problem))
        return 1
    return subprocess.run([target / "bin" / "mdbook", "build", folder]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
