"""Where the programs are, and how they are started, followed and stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Callable

from . import _libtorch
from .errors import XdlregError, from_stderr

BUNDLED = Path(__file__).parent / "bin"
PATIENCE = 10


def find(name: str) -> str:
    """A program: in the folder $XDLREG_PROGRAMS, else the one that this package brings, else on the PATH."""
    chosen = os.environ.get("XDLREG_PROGRAMS")
    if chosen:
        path = shutil.which(name, path=os.path.expanduser(chosen))
    else:
        path = shutil.which(name, path=str(BUNDLED)) or shutil.which(name)
    if path is None:
        where = f"in XDLREG_PROGRAMS={chosen}" if chosen else "in this package or on the PATH"
        raise XdlregError(
            f"the program {name} is not {where}",
            "install xdlreg with pip; in its source tree run `make build` and set XDLREG_PROGRAMS=target/release",
        )
    return path


def environment(name: str, needs_libtorch: bool = True) -> dict[str, str]:
    """The environment to start a program in, which finds its libtorch through it."""
    env = dict(os.environ)
    # Programs that were built on this machine know where their libtorch is.
    if Path(find(name)).parent == BUNDLED:
        _libtorch.add_to(env, required=needs_libtorch)
    return env


def call(arguments: Sequence[str], needs_libtorch: bool = False) -> str:
    """What `xdlreg-run` prints for some arguments."""
    output: list[str] = []
    code, errors = _start("xdlreg-run", arguments, output.append, needs_libtorch)
    if code != 0:
        raise from_stderr("xdlreg-run", code, errors)
    return "".join(output)


def follow(
    program: str, arguments: Sequence[str], hear: Callable[[dict[str, Any]], None], own_file: str | None = None
) -> int:
    """Runs an experiment and passes on its events. Returns 0 or 1, the exit code for failed runs; anything else is raised."""
    started = False

    def understand(line: str) -> None:
        nonlocal started
        try:
            event = json.loads(line)
        except ValueError:
            return
        started = started or event.get("event") == "experiment_started"
        hear(event)

    code, errors = _start(program, [*arguments, "--json"], understand, True)
    if code == 130:
        raise KeyboardInterrupt
    if code == 0 or (code == 1 and started and not errors.lstrip().startswith("{")):
        return code
    raise from_stderr(program, code, errors, own_file)


def _start(program: str, arguments: Sequence[str], hear: Callable[[str], Any], needs_libtorch: bool) -> tuple[int, str]:
    """Runs a program to its end; its exit code and what it wrote to standard error."""
    env = {**environment(program, needs_libtorch), "XDLREG_MESSAGE_FORMAT": "json"}
    # A session of its own: Ctrl-C in a terminal or notebook reaches Python alone, which then stops the program in order.
    process = subprocess.Popen(
        [find(program), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=env, start_new_session=True, text=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    errors: list[str] = []
    assert process.stdout is not None and process.stderr is not None
    reader = threading.Thread(target=lambda pipe: errors.append(pipe.read()), args=(process.stderr,), daemon=True)
    reader.start()
    try:
        for line in process.stdout:
            hear(line)
        process.wait()
    except BaseException:
        _stop(process, process.stdout)
        raise
    finally:
        process.stdout.close()
        reader.join(PATIENCE)
        if not reader.is_alive():
            process.stderr.close()
    return process.returncode, "".join(errors)


def _stop(process: subprocess.Popen[str], output: IO[str]) -> None:
    """Stops a program as Ctrl-C in a terminal would: what is finished stays. A second Ctrl-C ends it at once."""
    try:
        process.send_signal(signal.SIGINT)
        for _ in output:  # or it would wait for a reader
            pass
        process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
