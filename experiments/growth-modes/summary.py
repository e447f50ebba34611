"""Summary of the growth-modes study: python experiments/growth-modes/summary.py [RESULTS] > experiments/growth-modes/summary.md"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import study

# Scores over a run, with what they are called in the table.
SCORED = ["pointing_game.positive", "mass_accuracy.positive", "mass_accuracy.chance", "average_precision.positive",
          "average_precision.chance", "average_precision.image", "average_precision.edges"]

folder = study.results("growth-modes")
runs, sums = study.runs(folder), study.sums(folder)
modes = runs["data.growth_mode"].unique(maintain_order=True)


def spread(values, digits):
    values = list(values)
    low, mean, high = (f"{value:.{digits}f}" for value in (min(values), np.mean(values), max(values)))
    return f"{mean} [{low}, {high}]"


AGES = np.arange(20, 81)


def least_error(mode, draws=40_000, seed=0):
    """The MAE of a reader that knows the simulation and measures its signs exactly: the posterior median under uniform ages."""
    random = np.random.default_rng(seed)
    age = random.choice(AGES, draws)
    # Each sign as (its mean, its deviation) at every age; all are normal around it.
    size, falling, tumour = (AGES, AGES / 20), (100 - AGES, (100 - AGES) / 20), (AGES / 80, np.full(AGES.shape, 0.025 * np.sqrt(2)))
    signs = {"human": [(5 * AGES, np.full(AGES.shape, 1.5))], "eternal": [size, size], "tang_ping": [falling, size], "no_growth": [tumour]}
    likelihood = 0
    for mean, deviation in signs[mode]:
        seen = random.normal(mean[age - 20], deviation[age - 20])
        likelihood = likelihood - ((seen[:, None] - mean) / deviation) ** 2 / 2 - np.log(deviation)
    posterior = np.exp(likelihood - likelihood.max(axis=1, keepdims=True)).cumsum(axis=1)
    median = AGES[(posterior >= posterior[:, -1:] / 2).argmax(axis=1)]
    return np.abs(median - age).mean()


print("Mean over replicates with the least and the greatest; years unless another unit is given.\n")
lines = []
for mode in modes:
    of_mode = runs.filter(pl.col("data.growth_mode") == mode)
    found = {}
    for run in of_mode.iter_rows(named=True):
        prediction, total = sums.filter(pl.col("run_id") == run["run_id"]).select("prediction", "sum").to_numpy().T
        slope, intercept = np.polyfit(prediction, total, 1)
        values = [run["test_mae"], run["test_r2"], 10 * run["test_residual_slope"], run["output_bias"], -intercept / slope, slope,
                  np.corrcoef(prediction, total)[0, 1]]
        for column, value in enumerate(values):
            found.setdefault(column, []).append(value)
    lines.append([mode, f"{least_error(mode):.1f}", *(spread(values, digits) for values, digits in zip(found.values(), [2, 3, 2, 1, 1, 2, 3]))])
print(study.table(["growth mode", "least possible MAE", "test MAE", "R^2", "residual slope, years per decade", "trained output bias", "relevance crosses zero at",
                   "relevance per year", "Pearson r of sum and prediction"], lines))

print("Where positive relevance lies, against the signs (scores over the test set; chance and maps that explain nothing beside them).\n")
# Scores of images first become means of runs.
located = study.scores(folder, *SCORED).filter(pl.col("sign").is_not_null() & pl.col("value").is_not_nan())
located = located.group_by("run_id", "metric", "sign", maintain_order=True).agg(pl.col("value").mean())
located = located.join(runs.select("run_id", "data.growth_mode"), on="run_id")
lines = []
for mode in modes:
    of_mode = located.filter(pl.col("data.growth_mode") == mode)
    # Rules that multiply by the image are blind to an atrophied pixel itself.
    for sign in sorted(set(of_mode["sign"]) - {"atrophies"}):
        line = [mode, sign.replace("_", " ")]
        for metric in SCORED:
            values = of_mode.filter((pl.col("sign") == sign) & (pl.col("metric") == metric))["value"]
            line.append(spread(values, 2) if len(values) else "")
        lines.append(line)
print(study.table(["growth mode", "sign", *(name.replace("_", " ").replace(".", ", ") for name in SCORED)], lines))

print("Predictions of no_growth pumpkins drawn again without their tumours: the tumour reads as an age, tissue as one and the same.\n")
years = study.scores(folder, "causal_years").filter((pl.col("sign") == "tumour") & pl.col("sample").is_not_null())
without = years.join(study.tested(folder), on=["run_id", "sample"]).select(pl.col("age"), without=pl.col("prediction") - pl.col("value"))
cells = [len(without), *(f"{value:.1f}" for value in (without["age"].min(), without["age"].max(), without["without"].min(), without["without"].max()))]
print(study.table(["images", "least age", "greatest age", "least prediction", "greatest prediction"], [cells]))
