"""What the summaries of studies have in common: reading a results folder, and bootstrap intervals over replicates."""

import sys
from pathlib import Path

import numpy as np
import polars as pl

DRAWS = 10_000


def results(name, place=1):
    """The results folder: the argument at `place`, or results/NAME."""
    return Path(sys.argv[place] if len(sys.argv) > place else f"results/{name}")


def runs(folder):
    """The finished runs, a row each; partners share their `replicate`, where there are seeds."""
    return pl.read_parquet(folder / "runs.parquet").filter(pl.col("status") == "done")


def tested(folder):
    """Age, prediction and error (prediction - age), in years, of every test image of every run."""
    table = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test").rename({"target": "age"})
    return table.with_columns(error=pl.col("prediction") - pl.col("age"))


def scores(folder, *metrics):
    """The scores of these names, in long form."""
    return pl.read_parquet(folder / "measurements.parquet").filter(pl.col("metric").is_in(metrics))


def sums(folder):
    """The sum of relevance and the prediction, in years, of every explained test image."""
    of_images = scores(folder, "sum_relevance").filter(pl.col("sample").is_not_null())
    return of_images.select("run_id", "sample", sum="value").join(tested(folder), on=["run_id", "sample"])


def interval(values, seed=0):
    """Mean over replicates with its 95 % percentile bootstrap interval: (mean, low, high)."""
    values = np.asarray(list(values), float)
    draws = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    return (values.mean(), *np.percentile(values[draws].mean(axis=1), [2.5, 97.5]))


def written(values, digits=1, sign=False):
    """The mean and interval as text: "3.0 [2.8, 3.1]"."""
    form = f"{{:{'+' if sign else ''}.{digits}f}}"
    mean, low, high = (form.format(value) for value in interval(values))
    return f"{mean} [{low}, {high}]"


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines) + "\n"
