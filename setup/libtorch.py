#!/usr/bin/env python3
"""Make libtorch available to cargo: what `make setup` runs.

The C++ half of the pinned PyTorch wheels (setup/wheels/*.txt) is unpacked into a per-user cache,

    <cache>/libtorch/2.11.0-<flavour>/torch/{lib,include,build-version}
    <cache>/libtorch/2.11.0-<flavour>/nvidia/*/lib

and named to cargo in .cargo/config.toml. Environment:

    XDLREG_CACHE            the cache; default $XDG_CACHE_HOME/xdlreg or ~/.cache/xdlreg
    LIBTORCH_FLAVOUR        cpu or cuda; default: what .cargo/config.toml names already, else cpu
    LIBTORCH                a libtorch of your own: nothing is fetched
    LIBTORCH_USE_PYTORCH    use the libtorch of python3's own torch: nothing is fetched
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import glob
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Callable, Iterator, Mapping

VERSION = "2.11.0"
REPOSITORY = Path(__file__).resolve().parent.parent
WHEELS = REPOSITORY / "setup" / "wheels"
CARGO_CONFIG = REPOSITORY / ".cargo" / "config.toml"
PYTHON_TAG = "3.11"  # of the wheels; their libtorch is the same for every Python
OLDEST_GLIBC = (2, 28)
STAGING = ".staging"
ROOM_ADVICE = "Make room there, or put the cache elsewhere: export XDLREG_CACHE=/path"
OURS = "# written by `make setup`"
# What to do without pip's help; the Python package, whose users have no make, puts its own words here.
BRING_YOUR_OWN = "make LIBTORCH=/path/to/libtorch"
OTHER_PYTHON = "choose another Python: make PYTHON=/path/to/python3"

# Of torch/lib, the CPU flavour leaves out what only CUDA or Python needs. libtorch.so is there to pull in both
# halves, the CUDA one too: a linker script takes its place.
ONLY_CUDA_OR_PYTHON = (
    "libtorch_cuda", "libtorch_nvshmem", "libc10_cuda", "libcaffe2_nvrtc",
    "libtorch_python", "libtorch_global_deps", "libshm", "libtorch.so",
)  # fmt: skip
LINKER_SCRIPT = "INPUT(libtorch_cpu.so)\n"
NEEDED_BY_LIBTORCH_CPU = ("libcudart.so.13", "libcupti.so.13")


class Problem(Exception):
    """What keeps libtorch from being set up, and what to do about it."""


@dataclasses.dataclass(frozen=True)
class Wheel:
    """One line of a file in setup/wheels."""

    name: str
    version: str
    megabytes: float
    requirement: str

    def find(self, folder: Path) -> Path:
        """The wheel's file, once it is in `folder`."""
        found = glob.glob(f"{glob.escape(str(folder))}/{self.name.replace('-', '_')}-{self.version}-*.whl")
        if len(found) != 1:
            raise Problem(f"pip reported success, but {self.name} {self.version} is not in {folder}")
        return Path(found[0])


@dataclasses.dataclass(frozen=True)
class Pins:
    """What a platform's flavour of libtorch is made of."""

    wheels: list[Wheel]
    unpacked_megabytes: int

    @property
    def megabytes(self) -> float:
        return sum(wheel.megabytes for wheel in self.wheels)


# --- What to set up -------------------------------------------------------------------------------------------


def cache_root(env: Mapping[str, str]) -> Path:
    """The per-user cache that xdlreg shares between its working copies."""
    if env.get("XDLREG_CACHE"):
        return Path(env["XDLREG_CACHE"]).expanduser().absolute()
    home = env.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache").absolute() / "xdlreg"


def platform_name() -> str:
    """This machine as setup/wheels spells it: linux-x86_64, linux-aarch64, macos-arm64, or another."""
    system = {"Linux": "linux", "Darwin": "macos"}.get(platform.system(), platform.system().lower())
    return f"{system}-{platform.machine()}"


def pip_platforms(name: str) -> list[str]:
    """The wheel tags that pip may choose from for a platform, newest first."""
    system, machine = name.split("-", 1)
    if system == "macos":
        return ["macosx_11_0_arm64"]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(OLDEST_GLIBC[1], 16, -1)]
    return [*tags, f"manylinux2014_{machine}"]


def read_pins(path: Path) -> Pins:
    """Read a file of setup/wheels: requirement lines with a hash, and their sizes as comments."""
    text = path.read_text()
    wheels = [
        Wheel(name, version, float(megabytes), requirement)
        for requirement, name, version, megabytes in re.findall(
            r"^(([\w-]+)==(\S+) --hash=sha256:[0-9a-f]{64}) # ([\d.]+) MB$", text, re.MULTILINE
        )
    ]
    unpacked = re.search(r"^# Unpacked: (\d+) MB\.$", text, re.MULTILINE)
    if not wheels or unpacked is None:
        raise Problem(f"{path} is not a list of pinned wheels")
    return Pins(wheels, int(unpacked.group(1)))


def pins_for(name: str, flavour: str) -> Pins:
    """The pins of a platform's flavour, or why there are none."""
    path = WHEELS / f"{name}-{flavour}.txt"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in WHEELS.glob("*.txt")))
        raise Problem(
            f"no libtorch is pinned for {name}-{flavour} (there are: {known}).\n"
            f"Install libtorch {VERSION} yourself and name its folder: {BRING_YOUR_OWN}"
        )
    libc, version = platform.libc_ver()
    if name.startswith("linux") and (libc != "glibc" or tuple(map(int, version.split(".")[:2])) < OLDEST_GLIBC):
        raise Problem(
            f"PyTorch's libtorch needs glibc {'.'.join(map(str, OLDEST_GLIBC))} or newer; this machine has "
            f"{libc or 'another C library'} {version}.\nBuild libtorch {VERSION} yourself and name its folder: "
            f"{BRING_YOUR_OWN}"
        )
    return read_pins(path)


# --- Fetching and unpacking -------------------------------------------------------------------------------------


def pip_download(wheel: Wheel, folder: Path) -> None:
    """Put a wheel into `folder`. One that is there already is kept if its hash is right, else fetched again."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(wheel.requirement + "\n")
        platforms = [word for tag in pip_platforms(platform_name()) for word in ("--platform", tag)]
        command = [
            sys.executable, "-m", "pip", "--no-input", "--no-cache-dir", "--disable-pip-version-check", "download",
            "--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON_TAG}", *platforms,
            "--require-hashes", f"--dest={folder}", f"--requirement={requirements}",
        ]  # fmt: skip
        # Downloads pass through the temporary folder: the system's may be too small for them.
        status = subprocess.run(command, env={**os.environ, "TMPDIR": scratch, "PIP_REQUIRE_VIRTUALENV": "0"})
    if status.returncode != 0:
        raise Problem(
            f"pip could not fetch {wheel.name} {wheel.version}: its own message is above.\n"
            "Where pip needs a proxy or a mirror, `pip config` sets it. Without any network, bring a libtorch "
            f"{VERSION} here\nand name its folder: {BRING_YOUR_OWN}.\n"
            "What was fetched completely is kept for the next attempt."
        )


def is_wanted(member: str, flavour: str) -> bool:
    """Whether a wheel's file is part of a flavour: the headers, and the libraries that the flavour loads."""
    folder, _, name = member.rpartition("/")
    if not name:
        return False
    if folder == "torch/lib":
        return flavour == "cuda" or not name.startswith(ONLY_CUDA_OR_PYTHON)
    if re.fullmatch(r"nvidia/\w+/lib", folder):
        return ".so" in name and (flavour == "cuda" or name in NEEDED_BY_LIBTORCH_CPU)
    return member.startswith("torch/include/")


def unpack(file: Path, tree: Path, flavour: str) -> None:
    """Unpack a wheel's wanted files below `tree`."""
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tree, [member for member in archive.namelist() if is_wanted(member, flavour)])


def check_loads(tree: Path) -> None:
    """Load the libraries once: a machine that they do not suit shall hear of it here, not in the first experiment."""
    lib = tree / "torch" / "lib"
    suffix = "dylib" if platform.system() == "Darwin" else "so"
    names = [f"libtorch_cpu.{suffix}", f"libtorch_cuda.{suffix}"]
    libraries = [str(lib / name) for name in names if (lib / name).exists()]
    code = "import ctypes, sys; [ctypes.CDLL(path, ctypes.RTLD_GLOBAL) for path in sys.argv[1:]]"
    done = subprocess.run([sys.executable, "-c", code, *libraries], stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise Problem(f"the libtorch that was fetched does not load on this machine: {reason}")


def is_complete(target: Path) -> bool:
    """Whether a flavour is there. It got its name when all of it was, so one file is proof enough."""
    stamp = target / "torch" / "build-version"
    return stamp.exists() and stamp.read_text().strip() == VERSION


@contextlib.contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Let one set-up at a time work in `folder`. The others wait, or with `wait` false get a BlockingIOError."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            say("another set-up is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep(folder: Path) -> None:
    """Remove what a set-up left in `folder` that was stopped and is not needed any more."""
    staging = folder / STAGING
    if staging.exists():
        with contextlib.suppress(BlockingIOError), locked(folder, wait=False):
            shutil.rmtree(staging, ignore_errors=True)


def install(
    target: Path,
    flavour: str,
    pins: Pins,
    fetch: Callable[[Wheel, Path], None] = pip_download,
    check: Callable[[Path], None] = check_loads,
) -> None:
    """Make the library `target`, all of it or nothing.

    Everything happens in a staging folder beside it, and a rename ends it. Complete wheels survive an interruption
    there, for the next attempt; what was unpacked of them does not.
    """
    with locked(target.parent):
        if is_complete(target):
            return
        staging = target.parent / STAGING
        wheels, tree = staging / "wheels", staging / "tree"
        for leftover in [target, *staging.glob("*")]:
            if leftover != wheels:
                shutil.rmtree(leftover, ignore_errors=True)
        wheels.mkdir(parents=True, exist_ok=True)
        announce(target, pins)
        for number, wheel in enumerate(pins.wheels, 1):
            say(f"{number}/{len(pins.wheels)}  {wheel.name} {wheel.version}, {wheel.megabytes:.0f} MB")
            fetch(wheel, wheels)
        say("unpacking")
        for wheel in pins.wheels:
            unpack(wheel.find(wheels), tree, flavour)
        lib = tree / "torch" / "lib"
        if (lib / "libtorch_cpu.so").exists() and not (lib / "libtorch.so").exists():
            (lib / "libtorch.so").write_text(LINKER_SCRIPT)
        check(tree)
        (tree / "torch" / "build-version").write_text(VERSION + "\n")
        tree.rename(target)
        shutil.rmtree(staging, ignore_errors=True)
        say(f"libtorch is in {target}")


def announce(target: Path, pins: Pins) -> None:
    """Say what is about to be fetched, or that there is no room for it."""
    say(f"{target} is not there yet: pip fetches it, out of the wheels of PyTorch {VERSION}.")
    say(
        f"{pins.megabytes:.0f} MB to fetch, {pins.unpacked_megabytes} MB on disk afterwards; "
        f"at 10 MB/s it takes about {max(1, round(pins.megabytes / 600))} min. Once per user."
    )
    megabytes = pins.megabytes + pins.unpacked_megabytes
    if shutil.disk_usage(target.parent).free < megabytes * 1e6:
        raise Problem(f"not enough room in {target.parent}: {megabytes:.0f} MB are needed meanwhile.\n{ROOM_ADVICE}")
    if importlib.util.find_spec("pip") is None:
        raise Problem(
            f"{sys.executable} has no pip, which fetches libtorch.\n"
            f"Install it (Debian, Ubuntu: python3-pip; otherwise: python3 -m ensurepip --user), or {OTHER_PYTHON}"
        )


# --- Whose libtorch ------------------------------------------------------------------------------------------------


def own_libtorch(env: Mapping[str, str]) -> Path | None:
    """The libtorch that the user's environment asks for, with torch-sys's precedence."""
    if "LIBTORCH_USE_PYTORCH" in env:
        code = "import pathlib, torch; print(torch.__version__, pathlib.Path(torch.__file__).parent, sep='\\n')"
        done = subprocess.run(["python3", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        version, _, root = done.stdout.strip().partition("\n")
        if done.returncode != 0 or version.split("+")[0] != VERSION:
            found = f"has torch {version}" if done.returncode == 0 else "cannot import torch"
            raise Problem(f"LIBTORCH_USE_PYTORCH is set, but python3 {found}; torch {VERSION} is needed")
        return Path(root)
    if "LIBTORCH" in env:
        root = Path(env["LIBTORCH"]).absolute()
        if not env["LIBTORCH"] or not has_libraries(root):
            raise Problem(
                f"LIBTORCH={env['LIBTORCH']} has no lib/libtorch_cpu.\n"
                f"Name the folder of a libtorch {VERSION}, or unset LIBTORCH to have one fetched."
            )
        return root
    return None


def has_libraries(root: Path) -> bool:
    return any((root / "lib" / f"libtorch_cpu.{suffix}").exists() for suffix in ("so", "dylib"))


@dataclasses.dataclass(frozen=True)
class Entry:
    """LIBTORCH in .cargo/config.toml: the folder, and whether the set-up wrote it or the user did."""

    root: Path
    ours: bool


ENTRY_KEY = re.compile(r"^\s*LIBTORCH\s*=")
ENTRY = re.compile(r"""^\s*LIBTORCH\s*=\s*(?:(?P<basic>"(?:[^"\\]|\\.)*")|'(?P<literal>[^']*)')\s*(?P<comment>#.*)?$""")


def env_table(lines: list[str]) -> range | None:
    """The lines of the table [env], its header excluded."""
    headers = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")] + [len(lines)]
    for start, end in zip(headers, headers[1:]):
        if re.match(r"^\s*\[\s*env\s*\]", lines[start]):
            return range(start + 1, end)
    return None


def read_entry(config: str) -> Entry | None:
    """What a .cargo/config.toml says of LIBTORCH."""
    lines = config.splitlines()
    for number in env_table(lines) or ():
        if ENTRY_KEY.match(lines[number]):
            match = ENTRY.match(lines[number])
            if match is None:
                raise Problem(f'{CARGO_CONFIG}: write the folder plainly, as LIBTORCH = "/path/to/libtorch"')
            root = json.loads(match["basic"]) if match["basic"] else match["literal"]
            return Entry(Path(root), match["comment"] == OURS)
    return None


def write_entry(config: str, entry: Entry) -> str:
    """A .cargo/config.toml that names `entry`, all else as it was."""
    line = f"LIBTORCH = {json.dumps(str(entry.root), ensure_ascii=False)}" + (f" {OURS}" if entry.ours else "")
    lines = config.splitlines()
    table = env_table(lines)
    if table is None:
        lines += ([""] if lines else []) + ["[env]", line]
    else:
        present = [number for number in table if ENTRY_KEY.match(lines[number])]
        lines[table.start : table.start] = [] if present else [line]
        for number in present:
            lines[number] = line
    return "\n".join(lines) + "\n"


def choose(env: Mapping[str, str], entry: Entry | None) -> Entry:
    """Which libtorch cargo is to use: the user's own, the flavour asked for, the one in use, or else the CPU's."""
    own = own_libtorch(env)
    if own is not None:
        return Entry(own, ours=False)
    library = cache_root(env) / "libtorch"
    flavour = env.get("LIBTORCH_FLAVOUR")
    if not flavour and entry is not None:
        ours = entry.ours or library in entry.root.parents
        if not ours and not has_libraries(entry.root):
            raise Problem(
                f"{CARGO_CONFIG} says that LIBTORCH is {entry.root}, which is not there.\n"
                "Correct the line or delete it."
            )
        if not ours:
            return entry
        flavour = entry.root.parent.name.rpartition("-")[2]
    flavour = flavour or "cpu"
    if flavour not in ("cpu", "cuda"):
        raise Problem(f"LIBTORCH_FLAVOUR is cpu or cuda, not {flavour}")
    return Entry(library / f"{VERSION}-{flavour}" / "torch", ours=True)


# --- The command ---------------------------------------------------------------------------------------------------


def say(message: str) -> None:
    for line in message.splitlines():
        print(f"setup: {line}", file=sys.stderr, flush=True)


def main() -> int:
    try:
        config = CARGO_CONFIG.read_text() if CARGO_CONFIG.exists() else ""
        entry = choose(os.environ, read_entry(config))
        if entry.ours:
            target = entry.root.parent
            flavour = target.name.rpartition("-")[2]
            if is_complete(target):
                sweep(target.parent)
            else:
                install(target, flavour, pins_for(platform_name(), flavour))
        wanted = write_entry(config, entry)
        if wanted != config:
            CARGO_CONFIG.parent.mkdir(exist_ok=True)
            draft = CARGO_CONFIG.with_suffix(".toml.new")
            draft.write_text(wanted)
            draft.replace(CARGO_CONFIG)
            say(f"cargo uses the libtorch in {entry.root}")
        return 0
    except Problem as problem:
        say(str(problem))
        return 1
    except OSError as error:
        say(f"{error}\n{ROOM_ADVICE}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next set-up goes on from here")
        return 130


if __name__ == "__main__":
    sys.exit(main())
