"""The console commands of the wheel: each becomes its program, with libtorch where the program looks for it."""

from __future__ import annotations

import os
import sys

from . import _libtorch, _programs
from .errors import XdlregError

# These verbs of xdlreg-run compute nothing with libtorch.
WITHOUT_LIBTORCH = {
    "plan", "status", "logs", "why", "compare", "cancel", "clean", "simulate", "render", "report", "schema", "completions",
    "inspect", "network", "help",
}  # fmt: skip
ANSWERS = {"--help", "-h", "--version", "-V", "--dry-run"}


def needs_libtorch(program: str, arguments: list[str]) -> bool:
    if not arguments or ANSWERS.intersection(arguments):
        return program == "xdlreg" and not arguments
    return program != "xdlreg-run" or arguments[0] not in WITHOUT_LIBTORCH


def start(program: str) -> int:
    """Replaces this process by the program; returns only where it cannot."""
    arguments = sys.argv[1:]
    if program == "xdlreg-run" and arguments[:1] == ["setup"]:
        return _libtorch.set_up(arguments[1:])
    try:
        env = _programs.environment(program, needs_libtorch(program, arguments))
        path = _programs.find(program)
    except XdlregError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    os.execve(path, [path, *arguments], env)


def xdlreg_run() -> int:
    return start("xdlreg-run")


def xdlreg() -> int:
    return start("xdlreg")


def xdlreg_worker() -> int:
    return start("xdlreg-worker")
