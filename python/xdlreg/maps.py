"""Explanations and pumpkins, with arrays in and out."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from . import _programs, _toml
from .errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .results import Results

    Model = Union[str, os.PathLike[str], Mapping[str, Any], Results, Any]

LESION = range(-1, 2)  # rows and columns of a lesion around its centre


def analyzers() -> list[str]:
    """The names of all analyzers, for `explain` and `explain.analyzer`."""
    schema = json.loads(_programs.call(["schema"]))
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            names = value.get("enum")
            if isinstance(names, list) and "lrp.epsilon" in names:
                found.extend(name for name in names if name not in found)
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(schema)
    return found


def explain(
    model: Model,
    images: ArrayLike | str | os.PathLike[str],
    *,
    analyzer: str = "lrp.sequential_preset_a",
    device: str | None = None,
    **options: Any,
) -> NDArray[np.float32]:
    """The relevance maps of images, with the shape of the images.

    `model` is a PyTorch module, a Keras model, a spec (`net.toml`) that names its weights, a file of weights
    (safetensors), a dictionary of arrays or tensors (a state dict), or the `Results` of one run. `images` is an array
    [n, rows, columns] or [rows, columns], with channels [n, channels, rows, columns], as Keras has them
    [n, rows, columns, channels] for a Keras model, or a file (npy, npz). The other arguments are the settings of
    `[explain]`, such as `epsilon=0.01`, `reference="mean"` or `smooth={"samples": 16}`; `device` is "cpu", "cuda" or
    "auto".
    """
    with tempfile.TemporaryDirectory(prefix="xdlreg-") as folder:
        network = _network(model, Path(folder))
        shape = np.shape(images)
        images, single = _images(model, images, Path(folder))
        out = Path(folder) / "maps.npy"
        arguments = ["explain", *network, "--images", images, "--analyzer", analyzer, "--out", str(out)]
        settings = {
            **{f"explain.{key}": value for key, value in options.items()},
            **({"run.device": device} if device else {}),
        }
        for key, value in settings.items():
            arguments += ["--set", f"{key}={value if isinstance(value, str) else _toml.text(value, key)}"]
        _programs.call(arguments, needs_libtorch=True)
        maps = np.load(out)
    if len(shape) == 4 and maps.ndim == 3:
        maps = maps[:, None]
    if maps.ndim == 4 and _library(model) == "keras":
        maps = maps.transpose(0, 2, 3, 1)
    return maps[0] if single else maps


def predict(
    model: Model, images: ArrayLike | str | os.PathLike[str], *, device: str | None = None
) -> NDArray[np.float64]:
    """What a network predicts for images, [n]. `model` and `images` are those of `explain`."""
    import polars as pl

    with tempfile.TemporaryDirectory(prefix="xdlreg-") as folder:
        network = _network(model, Path(folder))
        images, single = _images(model, images, Path(folder))
        out = Path(folder) / "predictions.parquet"
        arguments = ["predict", *network, "--images", images, "--out", str(out)]
        if device:
            arguments += ["--set", f"run.device={device}"]
        _programs.call(arguments, needs_libtorch=True)
        predictions = pl.read_parquet(out)["prediction"].to_numpy()
    return predictions[0] if single else predictions


def _library(model: Model) -> str | None:
    """Whether a model is one of PyTorch or of Keras."""
    libraries = {base.__module__.split(".")[0] for base in type(model).__mro__}
    if "torch" in libraries:
        return "torch"
    return "keras" if libraries & {"keras", "tensorflow", "tf_keras"} else None


def _network(model: Model, folder: Path) -> list[str]:
    """The options that name a network to the program."""
    if isinstance(model, (str, os.PathLike)):
        return ["--spec" if Path(model).suffix == ".toml" else "--weights", os.fspath(model)]
    if isinstance(model, Mapping):
        return ["--weights", str(write_safetensors(folder / "net.safetensors", model))]
    if hasattr(model, "model") and hasattr(model, "runs"):
        return ["--weights", str(model.model())]
    if _library(model):
        from .networks import export

        spec, _ = export(model, folder / "net")
        return ["--spec", str(spec)]
    raise SpecError(
        f"a {type(model).__name__} is not a network that can be explained",
        "give a PyTorch module, a Keras model, a spec, a file of weights, a state dict, or the results of a run",
    )


def _images(model: Model, images: ArrayLike | str | os.PathLike[str], folder: Path) -> tuple[str, bool]:
    """A file with the images, and whether it is a single one."""
    if isinstance(images, (str, os.PathLike)):
        return os.fspath(images), False
    pixels = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images, dtype=np.float32)
    if pixels.ndim not in (2, 3, 4):
        raise SpecError(
            f"images is an array of shape {pixels.shape}",
            "give [n, rows, columns], [rows, columns], or [n, channels, rows, columns]",
        )
    if pixels.ndim == 4 and _library(model) == "keras":
        pixels = pixels.transpose(0, 3, 1, 2)
    single = pixels.ndim == 2
    path = folder / "images.npy"
    np.save(path, np.ascontiguousarray(pixels[None] if single else pixels))
    return str(path), single


def write_safetensors(path: Path, tensors: Mapping[str, Any]) -> Path:
    """Writes named arrays or tensors as float32, in the format of the package safetensors."""
    arrays = {str(name): _array(tensor) for name, tensor in tensors.items()}
    header, offset = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.tobytes())
    return path


def _array(tensor: Any) -> NDArray[np.float32]:
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return np.ascontiguousarray(tensor, dtype="<f4").reshape(np.shape(tensor))


@dataclass(frozen=True)
class Pumpkins:
    """Simulated pumpkins with the ground truth of every pixel; `len` is their number."""

    #: [n, 98, 98] float32, from 0 to 1.
    images: NDArray[np.float32]
    #: [n], in years.
    age: NDArray[np.float32]
    #: "lesions", "atrophies" and "tumour": boolean masks [n, 98, 98] of the pixels that each kind of sign covers.
    masks: dict[str, NDArray[np.bool_]]
    #: Everything that the file of `xdlreg-run simulate` holds, such as "name", "n_lesions" and "lesion_row".
    arrays: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Pumpkins({len(self)} of {self.age.min():.0f} to {self.age.max():.0f} years)"


def simulate(
    n: int,
    *,
    growth_mode: str = "human",
    ages: Sequence[int] | None = None,
    distribution: str = "uniform",
    target_bias: float | None = None,
    seed: int = 0,
) -> Pumpkins:
    """Draws `n` pumpkins, or `n` of each of the `ages`, with the ground truth as masks."""
    with tempfile.TemporaryDirectory(prefix="xdlreg-") as folder:
        out = Path(folder) / "set.npz"
        arguments = ["simulate", "--n", str(n), "--growth-mode", growth_mode, "--seed", str(seed), "--out", str(out)]
        if ages is None:
            arguments += ["--distribution", distribution]
            arguments += ["--target-bias", str(target_bias)] if target_bias is not None else []
        else:
            if distribution != "uniform" or target_bias is not None:
                raise SpecError("ages that are given have no distribution", "leave distribution and target_bias out")
            arguments += [word for age in ages for word in ("--age", str(age))]
        _programs.call(arguments)
        with np.load(out) as archive:
            arrays = dict(archive)
    return Pumpkins(arrays["images"], arrays["age"], _masks(arrays), arrays)


def _masks(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.bool_]]:
    masks = {kind: np.zeros(arrays["images"].shape, bool) for kind in ("lesions", "atrophies", "tumour")}
    masks["atrophies"][arrays["atrophy_sample"], arrays["atrophy_row"], arrays["atrophy_col"]] = True
    for down in LESION:
        for right in LESION:
            masks["lesions"][arrays["lesion_sample"], arrays["lesion_row"] + down, arrays["lesion_col"] + right] = True
    masks["lesions"] &= ~masks["atrophies"]  # an atrophy hides a lesion
    for sample, (top, bottom, left, right) in enumerate(arrays["tumour"]):
        if top >= 0:
            masks["tumour"][sample, top:bottom, left:right] = True
    return masks
