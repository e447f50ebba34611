"""Summary of the output-bias study: python experiments/output-bias/summary.py [RESULTS] > experiments/output-bias/summary.md"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import study

folder = study.results("output-bias")
sums = study.sums(folder)
causal = study.scores(folder, "causal_years", "causal_relevance").filter(pl.col("sample").is_not_null())


def worth(run, metric, sign):
    """Mean over images of what all signs of a kind are worth to the network, or of the relevance over them."""
    of_run = (pl.col("run_id") == run["run_id"]) & (pl.col("metric") == metric) & (pl.col("sign") == sign)
    return causal.filter(of_run)["value"].mean()


rows = []
for run in study.runs(folder).iter_rows(named=True):
    prediction, total = sums.filter(pl.col("run_id") == run["run_id"]).select("prediction", "sum").to_numpy().T
    slope, intercept = np.polyfit(prediction, total, 1)
    rows.append(
        {
            "start": run["model.output_bias"],
            "test MAE": run["test_mae"],
            "trained output bias": run["output_bias"],
            "crosses zero at": -intercept / slope,
            "crossing less bias": -intercept / slope - run["output_bias"],
            "relevance per year": slope,
            "Pearson r of sum and prediction": np.corrcoef(prediction, total)[0, 1],
            "sum at 30": intercept + 30 * slope,
            "sum at 70": intercept + 70 * slope,
            "maps with a positive sum, %": 100 * (total > 0).mean(),
            "prediction without lesions falls by": worth(run, "causal_years", "lesions"),
            "relevance over lesions": worth(run, "causal_relevance", "lesions"),
            "prediction without atrophies falls by": worth(run, "causal_years", "atrophies_r1"),
            "relevance over atrophies and their rim": worth(run, "causal_relevance", "atrophies_r1"),
        }
    )
found = pl.DataFrame(rows)

names = found.columns[1:]
digits = {"relevance per year": 2, "Pearson r of sum and prediction": 3}
starts = found["start"].unique(maintain_order=True)
print("Mean over replicates with the least and the greatest; years unless another unit is given.\n")
lines = []
for name in names:
    line = [name]
    for start in starts:
        values = found.filter(pl.col("start") == start)[name]
        low, mean, high = (f"{value:.{digits.get(name, 1)}f}" for value in (values.min(), values.mean(), values.max()))
        line.append(f"{mean} [{low}, {high}]")
    lines.append(line)
print(study.table(["measure", *starts], lines))
