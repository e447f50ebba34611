"""Numbers of the published run beside ours: python experiments/notebook-2021/summary.py [RESULTS] > experiments/notebook-2021/summary.md"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import study

folder = study.results("notebook-2021")
run = study.runs(folder).row(0, named=True)
age, prediction, error = study.tested(folder).select("age", "prediction", "error").to_numpy().T
predicted, total = study.sums(folder).select("prediction", "sum").to_numpy().T
cubic = np.polynomial.Polynomial.fit(age, error, 3)
line = np.polynomial.Polynomial.fit(predicted, total, 1)
crossing = line.roots()[0]
last = pl.read_parquet(folder / "epochs.parquet").sort("epoch").tail(20)

print(
    study.table(
        ["measure", "published", "obtained"],
        [
            ["test MAE, years", "2.97", f"{run['test_mae']:.2f}"],
            ["R^2 of the test set (squared Pearson)", "0.96", f"{np.corrcoef(age, prediction)[0, 1] ** 2:.3f}"],
            ["R^2 of the test set (coefficient of determination)", "not given", f"{run['test_r2']:.3f}"],
            ["trained output bias, years", "51.42", f"{run['output_bias']:.2f}"],
            ["mean age of the test set, years", "51.19", f"{age.mean():.2f}"],
            ["mean prediction, years", "50.28", f"{prediction.mean():.2f}"],
            ["error at age 20, cubic fit, years", "about +5", f"{cubic(20):+.1f}"],
            ["error at age 80, cubic fit, years", "about -8", f"{cubic(80):+.1f}"],
            ["residual slope, years per decade", "not given", f"{10 * run['test_residual_slope']:+.2f}"],
            ["sum of relevance is zero at prediction, years", "at the output bias (51.42)", f"{crossing:.2f}"],
            ["sum of relevance at prediction 23, years", "about -40", f"{line(23):+.1f}"],
            ["sum of relevance at prediction 78, years", "about +40", f"{line(78):+.1f}"],
            ["relevance per year of prediction", "about 1.45", f"{line.deriv()(0):.2f}"],
            ["Pearson's r of sum and prediction", "not given", f"{np.corrcoef(predicted, total)[0, 1]:.4f}"],
            ["least and greatest prediction, years", "23, 78", f"{prediction.min():.1f}, {prediction.max():.1f}"],
            ["validation MAE over the last 20 epochs, mean (least, greatest)", "2.1 to 3.5 from epoch 20 on", "{:.2f} ({:.2f}, {:.2f})".format(*(getattr(last["val_mae"], name)() for name in ("mean", "min", "max")))],
            ["training MAE in the last epoch, years", "about 1.6", f"{last['train_mae'][-1]:.2f}"],
        ],
    )
)
