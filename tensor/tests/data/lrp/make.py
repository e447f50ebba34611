"""Copies the reference maps of the images in `../keras_images.f32` (the first of the reference set) into this folder.

    python make.py REFERENCE_FOLDER

REFERENCE_FOLDER holds `images.npy` [n, 98, 98] and `maps/NAME.npy` [n, 98, 98], float32: what iNNvestigate 2.1.2
makes of these images with the network `../keras_pumpkin_net.safetensors`; NAME is the analyzer's without `lrp.`.
"""
import pathlib
import sys

import numpy as np

here, reference = pathlib.Path(__file__).parent, pathlib.Path(sys.argv[1])
images = np.fromfile(here.parent / "keras_images.f32", np.float32).reshape(-1, 98, 98)
assert np.array_equal(images, np.load(reference / "images.npy")[: len(images)])
for path in sorted((reference / "maps").glob("*.npy")):
    np.save(here / path.name, np.load(path)[: len(images)])
