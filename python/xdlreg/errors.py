"""What can go wrong, as exceptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .results import Results


class Location(NamedTuple):
    """A place in a spec file. Lines and columns are counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class XdlregError(Exception):
    """Something that xdlreg could not do.

    `message` says what is wrong, `help` how to fix it (None where there is no advice), and `exit_code` is that of the
    program which failed.
    """

    def __init__(self, message: str, help: str | None = None, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message + (f"\nhelp: {self.help}" if self.help else "")


class SpecError(XdlregError, ValueError):
    """A mistake in a spec, in an argument or in an input file. Nothing was started and nothing was written.

    `location` is the place in the spec file; it is None for a spec that was given as a dictionary and for mistakes
    elsewhere. Where a spec has several mistakes, `mistakes` has one exception for each of them.
    """

    def __init__(
        self, message: str, help: str | None = None, location: Location | None = None, label: str | None = None,
        mistakes: list[SpecError] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, help, exit_code=2)
        self.location = location
        self.label = label
        self.mistakes = mistakes or []

    def __str__(self) -> str:
        if self.mistakes:
            return "\n".join([self.message, *(f"- {mistake}" for mistake in self.mistakes)])
        # A label that only repeats the beginning of the message says nothing new.
        label = f" ({self.label})" if self.label and self.label not in self.message else ""
        where = f"{self.location}: " if self.location else ""
        return f"{where}{self.message}{label}" + (f"\nhelp: {self.help}" if self.help else "")


class RunError(XdlregError, RuntimeError):
    """No run of an experiment could be finished. `results` shows how far each of them came."""

    def __init__(self, message: str, help: str | None = None, results: Results | None = None) -> None:
        super().__init__(message, help)
        self.results = results


class MissingLibtorch(XdlregError, ImportError):
    """There is no libtorch 2.11 that the programs could use; the message names the command that provides one."""


def from_stderr(program: str, code: int, text: str, own_file: str | None = None) -> XdlregError:
    """The exception for what a program wrote to standard error before it ended with `code`.

    `own_file` is a spec file that this package wrote: the user has never seen it, so places in it are not named.
    """
    told = _find_json(text)
    if told is not None:
        return _from_json(told, own_file)
    # The command line's parser and signals have no such object.
    lines = [line for line in text.strip().splitlines() if line.strip() and not line.startswith("note: ")]
    message = "\n".join(lines).removeprefix("error: ").strip() if lines else f"{program} ended with code {code}"
    return SpecError(message) if code == 2 else XdlregError(message, exit_code=code)


def _find_json(text: str) -> dict[str, Any] | None:
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if isinstance(told, dict) and "message" in told:
                return told
    return None


def _from_json(told: dict[str, Any], own_file: str | None) -> XdlregError:
    if told["exit_code"] != 2:
        return XdlregError(told["message"], told.get("help"), told["exit_code"])
    mistakes = [_from_json(mistake, own_file) for mistake in told.get("mistakes", [])]
    location = None
    if told.get("file") is not None and told["file"] != own_file:
        location = Location(told["file"], told["line"], told["column"])
    return SpecError(
        told["message"], told.get("help"), location, told.get("label"),
        [mistake for mistake in mistakes if isinstance(mistake, SpecError)],
    )  # fmt: skip
