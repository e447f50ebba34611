"""Statistics of pumpkins that XDLreg drew: python xdlreg_pumpkins.py XDLREG.npz > xdlreg_pumpkins.json. Needs numpy.

The npz holds `images` [n, 98, 98], `age`, `mode`, `n_lesions`, `n_atrophies` [n] and the signs' coordinates as flat
arrays `lesion_sample`, `lesion_row`, `lesion_col`, `atrophy_sample`, `atrophy_row`, `atrophy_col`. For every growth
mode and age, and for every statistic of a pumpkin, the mean and the standard deviation over the pumpkins are printed.
"""
import json
import sys

import numpy as np

NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def describe(image):
    body = image != 0
    tissue = image[body].astype(float)
    rows, cols = np.nonzero(body)
    padded = np.pad(body, 1)
    zeros = sum(~padded[1 + i:99 + i, 1 + j:99 + j] for i, j in NEIGHBOURS)
    return dict(area=body.sum(), height=np.ptp(rows) + 1, width=np.ptp(cols) + 1,
                hole=(image[29:69, 33:65] == 0).sum(), rim=((zeros > 0) & body).sum(), ragged=zeros[body].sum(),
                mean=tissue.mean(), sd=tissue.std(), p01=np.quantile(tissue, .01), p99=np.quantile(tissue, .99),
                saturated=(tissue >= 1).sum(), darkest=tissue.min(), brightest=tissue.max(),
                up_down=image[:49].sum(dtype=float) - image[49:].sum(dtype=float),
                left_right=image[:, :49].sum(dtype=float) - image[:, 49:].sum(dtype=float))


def describe_signs(data, kind, sample):
    chosen = data[f"{kind}_sample"] == sample
    row, col = data[f"{kind}_row"][chosen].astype(float), data[f"{kind}_col"][chosen].astype(float)
    stats = {f"{kind}_count": len(row)}
    if len(row):
        stats[f"{kind}_radius"] = np.hypot(row - 49, col - 49).mean()
        stats[f"{kind}_row_sd"], stats[f"{kind}_col_sd"] = row.std(), col.std()
    return stats


data = dict(np.load(sys.argv[1], allow_pickle=False))
groups = []
for mode in np.unique(data["mode"]):
    for age in np.unique(data["age"]):
        samples = np.nonzero((data["mode"] == mode) & (data["age"] == age))[0]
        values = {}
        for sample in samples:
            stats = describe(data["images"][sample])
            stats |= describe_signs(data, "lesion", sample) | describe_signs(data, "atrophy", sample)
            for name, value in stats.items():
                values.setdefault(name, []).append(float(value))
        statistics = {name: [float(f"{np.mean(v):.6g}"), float(f"{np.std(v, ddof=1):.6g}")] for name, v in values.items()
                      if len(v) == len(samples)}
        groups.append(dict(growth_mode=str(mode), age=int(age), pumpkins=len(samples), statistics=statistics))
print("[\n" + ",\n".join(json.dumps(group) for group in groups) + "\n]")
