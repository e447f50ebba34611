"""Summary of the age-bias study: python experiments/age-bias/summary.py [RESULTS] > experiments/age-bias/summary.md"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import study

BANDS = [(20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, 80)]

folder = study.results("age-bias")
tested, sums = study.tested(folder), study.sums(folder)


def measures(run):
    """All measures of a run, name: value."""
    age, error = tested.filter(pl.col("run_id") == run["run_id"]).select("age", "error").to_numpy().T
    prediction, total = sums.filter(pl.col("run_id") == run["run_id"]).select("prediction", "sum").to_numpy().T
    # Slope, and where the line crosses zero, of sum of relevance over prediction.
    slope, intercept = np.polyfit(prediction, total, 1)
    inside = [(age >= low) & (age <= high) for low, high in BANDS]
    # Every age counts the same, however many test images have it: weights of 1 over the number in the band.
    weights = sum(band / band.sum() for band in inside)
    found = {
        "test MAE": np.abs(error).mean(),
        "MAE, bands weighted alike": np.average(np.abs(error), weights=weights),
        "residual slope, years per decade": 10 * np.polyfit(age, error, 1)[0],
        "residual slope, bands weighted alike, years per decade": 10 * np.polyfit(age, error, 1, w=np.sqrt(weights))[0],
        "mean age of the test set": age.mean(),
        "trained output bias": run["output_bias"],
        "relevance crosses zero at prediction": -intercept / slope,
        "crossing less output bias": -intercept / slope - run["output_bias"],
        "relevance per year of prediction": slope,
    }
    for (low, high), band in zip(BANDS, inside):
        found[f"error at {low} to {high}"] = error[band].mean()
    for (low, high), band in zip(BANDS, inside):
        found[f"MAE at {low} to {high}"] = np.abs(error[band]).mean()
    return found


def setting(run):
    biased = run["data.distribution"] == "biased"
    return f"biased at {run['data.target_bias']:.0f}" if biased else "uniform"


found = {(setting(run), run["replicate"]): measures(run) for run in study.runs(folder).iter_rows(named=True)}
settings = list(dict.fromkeys(setting for setting, _ in found))
replicates = sorted({replicate for _, replicate in found})
names = list(next(iter(found.values())))


def over_replicates(setting, name):
    return np.array([found[setting, replicate][name] for replicate in replicates])


print(f"Mean over {len(replicates)} replicates with its 95 % bootstrap interval; years unless another unit is given.\n")
rows = [[name, *(study.written(over_replicates(setting, name), 2 if "per" in name else 1) for setting in settings)] for name in names]
print(study.table(["measure", *settings], rows))

print("Difference to uniform, paired by replicate. Bold: the interval excludes 0.\n")
rows = []
for name in names:
    row = [name]
    for setting in settings[1:]:
        difference = over_replicates(setting, name) - over_replicates("uniform", name)
        _, low, high = study.interval(difference)
        text = study.written(difference, 2 if "per" in name else 1, sign=True)
        row.append(f"**{text}**" if low > 0 or high < 0 else text)
    rows.append(row)
print(study.table(["measure", *settings[1:]], rows))
