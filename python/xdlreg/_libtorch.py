"""The libtorch that the programs of the wheel use.

It comes from the torch 2.11 of this environment, else from the per-user cache that `xdlreg-run setup` fills. A folder in
the variable LIBTORCH comes before both. torch is found without importing it, which would take seconds.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from .errors import MissingLibtorch

SERIES = "2.11"
VERSION = "2.11.0"
SETUP = "xdlreg-run setup"
LIBRARIES = ("libtorch_cpu.so", "libtorch_cpu.dylib")


def torch_of_environment() -> tuple[Path, str] | None:
    """The folder and the version of the package torch that this Python would import."""
    try:
        spec = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    try:
        text = (folder / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    version = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    return (folder, version[1]) if version else None


def cache(env: Mapping[str, str]) -> Path:
    """The per-user cache of libtorch, which `make setup` fills, too."""
    if env.get("XDLREG_CACHE"):
        return Path(env["XDLREG_CACHE"]).expanduser().absolute() / "libtorch"
    home = env.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache").absolute() / "xdlreg" / "libtorch"


def find(env: Mapping[str, str]) -> Path:
    """The `lib` folder of the libtorch to use, or an exception that says how to get one."""
    if env.get("LIBTORCH"):
        lib = Path(env["LIBTORCH"]).expanduser().absolute() / "lib"
        if not _has_libraries(lib):
            raise MissingLibtorch(
                f"LIBTORCH={env['LIBTORCH']} has no lib/{LIBRARIES[0]}: name a libtorch {VERSION}, or unset LIBTORCH.",
                exit_code=2,
            )
        return lib
    torch = torch_of_environment()
    if torch is not None and torch[1].startswith(f"{SERIES}.") and _has_libraries(torch[0] / "lib"):
        return torch[0] / "lib"
    for flavour in ("cpu", "cuda"):
        root = cache(env) / f"{VERSION}-{flavour}" / "torch"
        # The set-up writes this file last.
        if (root / "build-version").exists() and _has_libraries(root / "lib"):
            return root / "lib"
    if torch is not None:
        raise MissingLibtorch(
            f'xdlreg needs torch {SERIES}, and this environment has torch {torch[1]}: run `pip install "torch=={SERIES}.*"`, '
            f"or `{SETUP}` to keep it and fetch a libtorch for xdlreg alone.",
            exit_code=2,
        )
    raise MissingLibtorch(
        f"xdlreg needs libtorch {SERIES}, which is not here yet: run `{SETUP}` to fetch it once (544 MB on Linux), or "
        'install it with torch by `pip install "xdlreg[torch]"`.',
        exit_code=2,
    )


def add_to(env: dict[str, str], required: bool) -> None:
    """Lets programs that are started in `env` find libtorch; where there is none, only if they can do without it."""
    name = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    there = [folder for folder in env.get(name, "").split(os.pathsep) if folder]
    if any(_has_libraries(Path(folder)) for folder in there):
        return  # the user's own choice
    try:
        lib = find(env)
    except MissingLibtorch:
        if required:
            raise
        return
    env[name] = os.pathsep.join([str(lib), *there])
    # For CUDA the worker starts again with a libtorch that has it; the one found here is the first to ask.
    if (lib / "libtorch_cuda.so").exists():
        env.setdefault("XDLREG_CUDA_LIBTORCH", str(lib))


def _has_libraries(lib: Path) -> bool:
    return any((lib / name).exists() for name in LIBRARIES)


def set_up(arguments: list[str]) -> int:
    """`xdlreg-run setup [cpu|cuda]`: fetches libtorch into the cache, by the script and the pinned hashes of `make setup`."""
    flavour = arguments[0] if arguments else "cpu"
    if len(arguments) > 1 or flavour not in ("cpu", "cuda"):
        print(
            f"usage: {SETUP} [cpu|cuda]\n\nFetches libtorch {VERSION} once for this user, through pip.", file=sys.stderr
        )
        return 0 if flavour in ("--help", "-h") else 2
    from .setup import libtorch  # type: ignore[import-not-found]  # put there when the wheel is built

    libtorch.BRING_YOUR_OWN = "export LIBTORCH=/path/to/libtorch"
    libtorch.OTHER_PYTHON = "install xdlreg into a Python that has it"
    target = cache(os.environ) / f"{VERSION}-{flavour}"
    try:
        if libtorch.is_complete(target):
            libtorch.say(f"libtorch is in {target} already")
        else:
            libtorch.install(target, flavour, libtorch.pins_for(libtorch.platform_name(), flavour))
        return 0
    except libtorch.Problem as problem:
        libtorch.say(str(problem))
        return 1
    except OSError as error:
        libtorch.say(f"{error}\n{libtorch.ROOM_ADVICE}")
        return 1
    except KeyboardInterrupt:
        libtorch.say(f"interrupted; `{SETUP}` continues from here")
        return 130
