"""Patches of a stained tissue section, with the share that is stained: a small real data set for configs/own-images.toml.

The picture is `skimage.data.immunohistochemistry()`: colonic glands whose FHL2 protein is stained brown (diaminobenzidine) and whose
nuclei are stained blue (haematoxylin), 512 x 512 pixels in colour, without known restrictions of copyright. A pixel counts as
stained where the brown stain of the colour deconvolution by Ruifrok and Johnston (2001) exceeds Otsu's threshold over the whole picture.

    python -m venv v && v/bin/pip install scikit-image pillow
    v/bin/python tests/data/tissue/make.py tests/data/tissue

Patches of 32 x 32 pixels do not overlap. Four neighbours make a block, which stays together when rows are split, since what
is near looks alike.
"""

import csv
import pathlib
import sys

import numpy as np
from PIL import Image
from skimage import color, data, filters

SIDE = 32
out = pathlib.Path(sys.argv[1])
picture = data.immunohistochemistry()
brown = color.rgb2hed(picture)[..., 2]
stained = brown > filters.threshold_otsu(brown)
for folder in ("patches", "stained"):
    (out / folder).mkdir(parents=True, exist_ok=True)
rows = []
for row in range(picture.shape[0] // SIDE):
    for col in range(picture.shape[1] // SIDE):
        at = np.s_[row * SIDE : (row + 1) * SIDE, col * SIDE : (col + 1) * SIDE]
        name = f"r{row:02}c{col:02}"
        Image.fromarray(picture[at]).save(out / f"patches/{name}.png", optimize=True)
        Image.fromarray(stained[at]).save(out / f"stained/{name}.png", optimize=True)
        rows.append({
            "patch": name,
            "file": f"patches/{name}.png",
            "mask": f"stained/{name}.png",
            "stained": round(100 * float(stained[at].mean()), 2),
            "block": f"b{row // 2}-{col // 2}",
            "side": "left" if col < 8 else "right",
        })
with open(out / "patches.csv", "w", newline="") as file:
    table = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
