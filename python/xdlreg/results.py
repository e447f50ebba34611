"""A results folder, read with polars and numpy."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from .errors import XdlregError
from .pictures import Picture, Report

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Settings and scores that a table in a notebook begins with, where runs have them.
FIRST = ["run_id", "status", "replicate"]
SCORES = ["test_mae", "test_r2", "test_accuracy", "output_bias", "relevance_zero_crossing"]


class Comparison(NamedTuple):
    """Two runs side by side: the settings that differ, as text, and the scores of both."""

    settings: pl.DataFrame
    scores: pl.DataFrame

    def _repr_html_(self) -> str:
        return self.settings._repr_html_() + self.scores._repr_html_()


class Results:
    """What an experiment left in its results folder, also while it is running.

    Tables are polars frames (`.to_pandas()` makes pandas' of them) that are read when they are asked for. `where` selects
    runs; what it returns is a `Results` again, whose tables have these runs alone.
    """

    def __init__(self, path: str | os.PathLike[str], _run_ids: list[str] | None = None) -> None:
        self.path = Path(path)
        self._run_ids = _run_ids
        self._cache: dict[str, tuple[tuple[int, ...], pl.DataFrame]] = {}
        if not (self.path / "plan.json").is_file():
            raise XdlregError(
                f"{self.path} is not a results folder: it has no plan.json", "name a folder such as results/quickstart"
            )

    # --- Tables ------------------------------------------------------------------------------------------------------

    @property
    def runs(self) -> pl.DataFrame:
        """A row for each run: status, every varied setting under its dotted key, and the scores of the whole run."""
        return self._of_runs("runs")

    @property
    def epochs(self) -> pl.DataFrame:
        """Losses and errors after each epoch of training."""
        return self._of_runs("epochs")

    @property
    def predictions(self) -> pl.DataFrame:
        """A row for each sample of a run: its part, its target and what the network predicts."""
        return self._of_runs("predictions")

    @property
    def measurements(self) -> pl.DataFrame:
        """Every score in long form; `sample` is null for the scores of a run."""
        return self._of_runs("measurements")

    @property
    def samples(self) -> pl.DataFrame:
        """A row for each sample of a data set, with its ground truth. `simulate_key` says which runs use the data set."""
        table = self._read("samples")
        if self._run_ids is None:
            return table
        return table.filter(pl.col("simulate_key").is_in(self.runs["simulate_key"].unique().to_list()))

    @property
    def signs(self) -> pl.DataFrame:
        """A row for each sign that was left out: its worth, and the relevance over it."""
        return self._of_runs("signs")

    @property
    def regions(self) -> pl.DataFrame:
        """The relevance of each region of each sample, where there are masks or an atlas."""
        return self._of_runs("regions")

    def _of_runs(self, name: str) -> pl.DataFrame:
        table = self._read(name)
        return table if self._run_ids is None else table.filter(pl.col("run_id").is_in(self._run_ids))

    def _read(self, name: str) -> pl.DataFrame:
        path = self.path / f"{name}.parquet"
        try:
            about = path.stat()
        except FileNotFoundError:
            there = ", ".join(sorted(file.stem for file in self.path.glob("*.parquet"))) or "none yet"
            raise XdlregError(f"{self.path} has no table of {name}", f"its tables: {there}") from None
        # Tables are replaced as a whole while an experiment runs.
        state = (about.st_ino, about.st_mtime_ns, about.st_size)
        if name not in self._cache or self._cache[name][0] != state:
            self._cache[name] = (state, pl.read_parquet(path))
        return self._cache[name][1]

    # --- Choosing runs -----------------------------------------------------------------------------------------------

    def run_id(self, run: str | None = None) -> str:
        """The identifier of a run, from how it begins. It may be left out where there is only one run."""
        known = [of["run_id"] for of in self._plan()["runs"] if self._run_ids is None or of["run_id"] in self._run_ids]
        found = known if run is None else [one for one in known if one.startswith(run)]
        if len(found) == 1:
            return found[0]
        shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
        if not found:
            raise XdlregError(
                f"{self.path} has no run {run}" if run else f"{self.path} has no runs", f"its runs: {shown}"
            )
        what = f"{run} is how {len(found)} runs begin" if run else f"there are {len(found)} runs"
        raise XdlregError(f"{what}; name one of them", f"{shown}, or choose with where()")

    def where(self, _settings: Mapping[str, Any] | None = None, **settings: Any) -> Results:
        """The runs in which all these settings have these values; of a list, any of its values.

        Settings are named by their dotted keys, `where({"explain.analyzer": "lrp.z"})`, with two underscores for the dot,
        `where(explain__analyzer="lrp.z")`, or by their last part where it is clear, `where(analyzer="lrp.z")`. Columns of
        `.runs`, such as `status` and `replicate`, can be asked for as well.
        """
        table = {row["run_id"]: row for row in self.runs.iter_rows(named=True)}
        of_runs = {
            run_id: {**values, **table.get(run_id, {})}
            for run_id, values in self._settings().items()
            if run_id in table
        }
        known = {key for values in of_runs.values() for key in values}
        chosen = list(of_runs)
        for name, value in {**(_settings or {}), **settings}.items():
            key = _key(name, known)
            wanted = value if isinstance(value, (list, tuple, set, range)) else [value]
            chosen = [run_id for run_id in chosen if any(_equal(of_runs[run_id].get(key), one) for one in wanted)]
        return Results(self.path, chosen)

    def settings(self, run: str | None = None) -> dict[str, Any]:
        """All settings of a run under their dotted keys, defaults included."""
        return self._settings()[self.run_id(run)]

    def compare(self, a: str, b: str) -> Comparison:
        """Two runs side by side: which settings differ, and their scores."""
        a, b = self.run_id(a), self.run_id(b)
        if a == b:
            raise XdlregError(f"{a} is compared with itself", "name two runs")
        settings = self._settings()
        keys = sorted({*settings[a], *settings[b]})
        differing = [key for key in keys if settings[a].get(key) != settings[b].get(key)]
        texts = {
            run: [json.dumps(settings[run][key]) if key in settings[run] else None for key in differing]
            for run in (a, b)
        }
        rows = {row["run_id"]: row for row in self.runs.iter_rows(named=True)}
        names = [
            name
            for name, kind in self.runs.schema.items()
            if kind.is_numeric() and name not in keys and name != "replicate"
        ]
        scores = {
            run: [float(rows[run][name]) if rows[run][name] is not None else None for name in names] for run in (a, b)
        }
        return Comparison(
            pl.DataFrame({"setting": differing, **texts}, schema={"setting": pl.String, a: pl.String, b: pl.String}),
            pl.DataFrame({"score": names, **scores}, schema={"score": pl.String, a: pl.Float64, b: pl.Float64}),
        )

    def _plan(self) -> dict[str, Any]:
        return json.loads((self.path / "plan.json").read_text(encoding="utf-8"))

    def _settings(self) -> dict[str, dict[str, Any]]:
        plan = self._plan()
        found = {}
        for run in plan["runs"]:
            values: dict[str, Any] = {}
            for task in run["tasks"]:
                job = plan["tasks"][task]["job"]
                for section in ("data", "model", "train", "explain", "evaluate", "heatmaps"):
                    if isinstance(job.get(section), dict):
                        _leaves(section, job[section], values)
            found[run["run_id"]] = values
        return found

    # --- Arrays ------------------------------------------------------------------------------------------------------

    def relevance(self, run: str | None = None) -> NDArray[np.float32]:
        """The relevance maps of a run, [map, row, column], mapped into memory. `explained` has their samples."""
        return self._map_array(self.path / "relevance" / f"{self.run_id(run)}.npy")

    def explained(self, run: str | None = None) -> NDArray[np.int64]:
        """The samples that the maps of a run explain, in their order: `images(run)[explained(run)]` are their images."""
        run = self.run_id(run)
        subset = self._settings()[run].get("explain.subset", "test")
        parts = ["train", "validation", "test"] if subset == "all" else [subset]
        rows = self.predictions.filter((pl.col("run_id") == run) & pl.col("split").is_in(parts))
        # Several targets make several rows of a sample.
        return rows["sample"].unique().sort().to_numpy()

    def images(self, run: str | None = None) -> NDArray[np.float32]:
        """All images of the data set of a run, as `sample` numbers them, mapped into memory."""
        return _member(self.dataset(run), "images")

    def dataset(self, run: str | None = None) -> Path:
        """The file with the data set of a run, for `numpy.load`."""
        run = self.run_id(run)
        plan = self._plan()
        tasks = next(of["tasks"] for of in plan["runs"] if of["run_id"] == run)
        keys = [plan["tasks"][task]["key"] for task in tasks if plan["tasks"][task]["job"]["stage"] == "simulate"]
        path = self.path / "datasets" / f"{keys[0]}.npz"
        if not path.is_file():
            raise XdlregError(f"the data set of run {run} is not there (yet): {path}")
        return path

    def model(self, run: str | None = None) -> Path:
        """The file with the weights of a run, for `explain` and `safetensors`."""
        path = self.path / "models" / f"{self.run_id(run)}.safetensors"
        if not path.is_file():
            raise XdlregError(f"the network of run {path.stem} is not there (yet): {path}")
        return path

    def _map_array(self, path: Path) -> NDArray[np.float32]:
        if not path.is_file():
            raise XdlregError(f"run {path.stem} has no {path.parent.name} (yet): there is no file {path}")
        return np.load(path, mmap_mode="r")

    # --- Pictures ----------------------------------------------------------------------------------------------------

    def heatmap(self, run: str | None = None, sample: int | None = None, *, pointers: bool = False) -> Picture:
        """The heatmap of a sample, with or without pointers to what is known to matter; by default of the first sample."""
        folder = self.path / "heatmaps" / self.run_id(run)
        found: dict[int, Path] = {}
        for path in sorted(folder.glob("*")):
            number = re.match(r"LRP_S(\d+)_", path.name)
            if number and (path.stem.endswith("_pointer") == pointers):
                found[int(number[1])] = path
        if not found:
            what = "heatmaps with pointers" if pointers else "heatmaps"
            raise XdlregError(
                f"run {folder.name} has no {what}", "heatmaps.count and heatmaps.pointers say what is drawn"
            )
        if sample is None:
            sample = min(found)
        if sample not in found:
            shown = ", ".join(map(str, sorted(found)))
            raise XdlregError(
                f"run {folder.name} has no heatmap of sample {sample}",
                f"there are those of samples {shown}; heatmaps.count draws more",
            )
        return Picture(found[sample])

    def figure(self, name: str) -> Picture:
        """A figure by its name, such as "sum_relevance"; `figures` has the names."""
        for path in sorted((self.path / "figures").rglob("*.svg")):
            if name in (path.stem, re.sub(r"^\d+_", "", path.stem)):
                return Picture(path)
        raise XdlregError(f"{self.path} has no figure {name}", f"there are: {', '.join(self.figures)}")

    @property
    def figures(self) -> list[str]:
        """The names of all figures."""
        return [re.sub(r"^\d+_", "", path.stem) for path in sorted((self.path / "figures").rglob("*.svg"))]

    def report(self) -> Report:
        """The report, which a notebook shows and `report().open()` opens in a browser."""
        path = self.path / "report.html"
        if not path.is_file():
            raise XdlregError(f"{self.path} has no report (yet)", f"`xdlreg-run report {self.path}` writes one")
        return Report(path)

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self._counts())
        return f"Results({str(self.path)!r}): {counts or 'no runs yet'}"

    def _repr_html_(self) -> str:
        runs = self.runs
        varied = [name for name in runs.columns if "." in name]
        shown = [name for name in [*FIRST, *varied, *SCORES] if name in runs.columns]
        counts = ", ".join(f"{count} {status}" for status, count in self._counts())
        return f"<b>{self.path.name}</b>: {counts}{runs.select(shown)._repr_html_()}"

    def _counts(self) -> list[tuple[str, int]]:
        if not (self.path / "runs.parquet").is_file():
            return []
        return sorted(self.runs.group_by("status").len().iter_rows())


def _leaves(name: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for member, inner in value.items():
            _leaves(f"{name}.{member}", inner, found)
    elif value is not None:
        found[name] = value


def _key(name: str, known: set[str]) -> str:
    """The dotted key or column that a name means."""
    dotted = name.replace("__", ".")
    if dotted in known:
        return dotted
    ends = sorted(key for key in known if key.endswith(f".{dotted}"))
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise XdlregError(f"{name} may mean {' or '.join(ends)}", "name the whole key")
    raise XdlregError(f"no run has a setting or column {name}", "`.settings(run)` lists all settings")


def _equal(there: Any, wanted: Any) -> bool:
    if isinstance(there, bool) != isinstance(wanted, bool):
        return False
    return there == wanted


def _member(path: Path, name: str) -> NDArray[Any]:
    """An array of an npz file, mapped into memory where it is stored uncompressed."""
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
        about = archive.getinfo(f"{name}.npy")
        if about.compress_type != zipfile.ZIP_STORED:
            return np.load(path)[name]
        # The local header repeats the name and has an extra field of its own length.
        file.seek(about.header_offset + 26)
        lengths = file.read(4)
        file.seek(
            about.header_offset + 30 + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        )
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(file)
        return np.memmap(path, dtype=kind, mode="r", offset=file.tell(), shape=shape, order="F" if fortran else "C")
