"""Experiments: run them, plan them, vary them."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Union

from . import _programs, _toml
from ._progress import Progress, display_for
from .errors import RunError, SpecError, XdlregError
from .results import Results

Spec = Union[Mapping[str, Any], str, "os.PathLike[str]"]

#: What an experiment that is given as a dictionary is called, unless it has `experiment.name`.
DEFAULT_NAME = "experiment"


def run(
    spec: Spec,
    *,
    set: Mapping[str, Any] | None = None,
    output: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    executor: str | None = None,
    fail_fast: bool = False,
    progress: bool = True,
) -> Results:
    """Runs an experiment, or continues it; what is finished already is not done again.

    `spec` is a TOML file or a dictionary of the same structure, whose keys may be dotted: `{"train.epochs": 2}` is
    `{"train": {"epochs": 2}}`. `set` has settings that take precedence over it, under dotted keys. Results go to the
    folder `output` (by default `experiment.output`, "results"), below the experiment's name. `jobs` is the number of
    worker processes and `executor` where tasks are carried out, instead of `run.workers` and `run.executor`.

    Ctrl-C, and "interrupt" in a notebook, stop the experiment in order; the same call continues it.

    Raises `SpecError` where the spec is wrong, before anything is started, and `RunError` where no run could be
    finished. Where some runs failed, a warning says so, and `.runs` has the reasons.
    """
    with _written(spec) as (path, own_file):
        arguments = [str(path), *_over(set, output, executor)]
        arguments += ["--jobs", str(jobs)] if jobs is not None else []
        arguments += ["--fail-fast"] if fail_fast else []
        return follow("xdlreg-run", arguments, progress, own_file)


def follow(program: str, arguments: Sequence[str], progress: bool, own_file: str | None = None) -> Results:
    """Runs a program that runs an experiment, and shows its progress."""
    watched = Progress(display_for(progress))
    try:
        code = _programs.follow(program, arguments, watched.hear, own_file)
    finally:
        watched.close()
    if watched.folder is None:
        raise XdlregError(f"{program} ended without having started an experiment")
    results = Results(watched.folder)
    if code != 0:
        reasons = list(dict.fromkeys(watched.reasons))
        count = f"{watched.failed} of {watched.runs} runs failed"
        message = f"{count}: {reasons[0]}" if reasons else count
        if watched.failed and watched.failed >= watched.runs:
            raise RunError(
                message, "`.results.runs` has the reason for each run, and logs/ what its worker wrote", results
            )
        warnings.warn(f"{message} (the column `reason` of `.runs` has all reasons)", RuntimeWarning, stacklevel=3)
    return results


@dataclass(frozen=True)
class Plan:
    """What an experiment would do; `text` is what `xdlreg-run plan` prints."""

    #: Number of runs.
    runs: int
    #: Number of tasks of each stage; runs share equal tasks.
    tasks: dict[str, int]
    #: How many of the tasks are done already.
    cached: int
    #: About how long the rest takes, as far as earlier runs tell.
    time: str
    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


def plan(spec: Spec, *, set: Mapping[str, Any] | None = None, output: str | os.PathLike[str] | None = None) -> Plan:
    """Says what `run` would do, what is finished already and what runs share. Nothing is written."""
    with _written(spec) as (path, own_file):
        try:
            text = _programs.call(["plan", str(path), *_over(set, output)])
        except SpecError as error:
            raise _without_place(error, own_file) from None
    summary = re.search(r"^(\d+) runs?: ([^;]+); (\d+) cached; (.+)$", text, re.MULTILINE)
    if summary is None:
        raise XdlregError(f"the plan cannot be understood: {text}")
    tasks = {stage: int(count) for count, stage in re.findall(r"(\d+) (\w+)", summary[2])}
    return Plan(int(summary[1]), tasks, int(summary[3]), summary[4], text)


def sweep(
    grid: Mapping[str, Sequence[Any]] | None = None,
    spec: Spec | None = None,
    *,
    zip: Mapping[str, Sequence[Any]] | None = None,
    list: Sequence[Mapping[str, Any]] | None = None,
    exclude: Sequence[Mapping[str, Any]] | None = None,
    seeds: int | None = None,
    set: Mapping[str, Any] | None = None,
    **options: Any,
) -> Results:
    """Runs an experiment for every combination of the values in `grid`, which has a list of values for each dotted key:

        xdlreg.sweep({"explain.analyzer": ["lrp.z", "gradient"], "data.target_bias": [30, 70]}, "spec.toml", seeds=3)

    `zip` has lists that are walked through side by side, `list` has cells that are written out, and `exclude` has
    combinations that are left out, as in a `[[sweep]]` block of a spec. `seeds` replicates every cell. The other
    arguments are those of `run`. Combinations share what is equal: two explanations of one network train it once.
    """
    block = {"grid": grid, "zip": zip, "list": list, "exclude": exclude, "seeds": seeds}
    block = {key: value for key, value in block.items() if value is not None}
    if not block:
        raise SpecError(
            "a sweep without grid, zip, list or seeds varies nothing", 'for instance sweep({"data.seed": [0, 1]})'
        )
    if spec is None or isinstance(spec, Mapping):
        whole = _toml.nested(spec or {})
        if "sweep" in whole:
            raise SpecError("the spec has a sweep of its own", "pass it to run(), or leave its sweep out")
        # Another folder than that of run() with the same spec.
        whole["experiment"] = {"name": "sweep", **whole.get("experiment", {})}
        return run({**whole, "sweep": [block]}, set=set, **options)
    return run(spec, set={**(set or {}), "sweep": [block]}, **options)


@contextmanager
def _written(spec: Spec) -> Iterator[tuple[Path, str | None]]:
    """The spec as a file, and its path where this package wrote it."""
    if not isinstance(spec, Mapping):
        yield Path(spec), None
        return
    whole = _toml.nested(spec)
    if isinstance(whole.get("extends"), (str, os.PathLike)):
        whole["extends"] = os.path.abspath(whole["extends"])  # the file is elsewhere
    with tempfile.TemporaryDirectory(prefix="xdlreg-") as folder:
        path = Path(folder) / f"{DEFAULT_NAME}.toml"
        path.write_text(_toml.document(whole), encoding="utf-8")
        yield path, str(path)


def _over(
    set: Mapping[str, Any] | None, output: str | os.PathLike[str] | None, executor: str | None = None
) -> list[str]:
    arguments: list[str] = []
    for key, value in {**(set or {}), **({"run.executor": executor} if executor else {})}.items():
        # Text is read as what its key takes, as on the command line.
        shown = os.fspath(value) if isinstance(value, (str, os.PathLike)) else _toml.text(value, key)
        arguments += ["--set", f"{key}={shown}"]
    return arguments + (["--output", os.fspath(output)] if output is not None else [])


def _without_place(error: SpecError, own_file: str | None) -> SpecError:
    if own_file is not None:
        for mistake in [error, *error.mistakes]:
            mistake.location = None
    return error
