"""Scores that Quantus 0.6.0 gives: python quantus_scores.py > quantus_scores.json. Needs quantus, torch and numpy.

Maps are those of `tensor/tests/data/lrp`, which iNNvestigate and Zennit made of two pumpkins. `localisation` holds them
against masks of 3 x 3 blocks (`mask`: indices into the row-major image), on R+ or |R|; `complexity` are scores of a
map alone; `faithfulness` begins the curve of predictions f(x) = 50 + 30 tanh(sum_p x_p sin(p) / 10) of an image whose pixels are
set to 0.8 in steps of 98, after the prediction for the image itself; `sensitivity` has the maps of `others` in the place of explanations of perturbed images;
`spearman` compares two maps. Quantus prints warnings to standard error.
"""
import contextlib
import json
import pathlib
import sys
import warnings

import numpy as np
import quantus
import torch

warnings.filterwarnings("ignore")
SIDE = 98
root = pathlib.Path(__file__).parents[3] / "tensor" / "tests" / "data"
images = np.fromfile(root / "keras_images.f32", np.float32).reshape(-1, SIDE, SIDE)
rng = np.random.default_rng(5)
quiet = dict(normalise=False, disable_warnings=True)


def load(name, image):
    return np.load(root / "lrp" / f"{name}.npy")[image]


def batch(plane):
    return np.asarray(plane)[None, None]


class Tanh(torch.nn.Module):
    """50 + 30 tanh(sum_p x_p sin(p) / 10), a column an image."""

    def forward(self, x):
        weights = torch.sin(torch.arange(SIDE * SIDE, dtype=torch.float64)) / 10
        return 50 + 30 * torch.tanh(x.double().flatten(1) @ weights)[:, None]


model = Tanh().eval()


def blocks(count):
    mask = np.zeros((SIDE, SIDE), bool)
    for row, col in rng.integers(20, 78, (count, 2)):
        mask[row - 1:row + 2, col - 1:col + 2] = True
    return mask


def localise(metric, image, relevance, mask):
    scores = metric(model=None, x_batch=batch(images[image]), y_batch=np.zeros(1, int), a_batch=batch(relevance),
                    s_batch=batch(mask), device="cpu")
    return float(scores[0])


def localisation():
    for name in ["epsilon", "alpha_1_beta_0", "flat", "gradient", "zennit.epsilon_gamma_box", "integrated_gradients"]:
        for image in range(len(images)):
            mask = blocks(1 if name == "flat" else 12)
            # Half of the masks hold the largest value, so that some pointing games are won.
            if image == 1:
                row, col = np.unravel_index(np.argmax(load(name, image)), (SIDE, SIDE))
                mask[row - 1:row + 2, col - 1:col + 2] = True
            for part, relevance in [("positive", np.maximum(load(name, image), 0)), ("absolute", np.abs(load(name, image)))]:
                metrics = dict(pointing_game=quantus.PointingGame(abs=False, **quiet),
                               rank_accuracy=quantus.RelevanceRankAccuracy(abs=False, **quiet),
                               mass_accuracy=quantus.RelevanceMassAccuracy(abs=False, **quiet),
                               roc_auc=quantus.AUC(abs=False, **quiet))
                scores = {key: localise(metric, image, relevance, mask) for key, metric in metrics.items()}
                yield dict(map=name, image=image, part=part, mask=np.flatnonzero(mask).tolist(), scores=scores)


def complexity():
    for name in ["epsilon", "alpha_2_beta_1", "flat", "gradient", "w_square"]:
        for image in range(len(images)):
            given = dict(model=None, x_batch=batch(images[image]), y_batch=np.zeros(1, int), device="cpu",
                         a_batch=batch(np.abs(load(name, image))))
            metrics = dict(gini_index=quantus.Sparseness(abs=False, **quiet), entropy=quantus.Complexity(abs=False, **quiet))
            yield dict(map=name, image=image, scores={key: float(metric(**given)[0]) for key, metric in metrics.items()})


def faithfulness():
    for name in ["gradient", "zennit.epsilon_gamma_box"]:
        for variant, sign in [("positive", 1), ("negative", -1)]:
            metric = quantus.PixelFlipping(features_in_step=SIDE, perturb_baseline=0.8, abs=False, **quiet)
            curve = metric(model=model, x_batch=batch(images[0]), y_batch=np.zeros(1, int), softmax=False, device="cpu",
                           a_batch=batch(sign * load(name, 0)))[0]
            first = float(model(torch.from_numpy(batch(images[0])))[0, 0])
            yield dict(map=name, image=0, variant=variant, curve=[first] + [float(value) for value in curve[:10]])


def sensitivity():
    for name, others in [("epsilon", ["epsilon", "z"]), ("z", ["epsilon", "gradient"]), ("flat", ["w_square", "flat"])]:
        queue = [load(other, 0) for other in others]
        metric = quantus.MaxSensitivity(nr_samples=len(others), lower_bound=0.02, abs=False, **quiet)
        scores = metric(model=model, x_batch=batch(images[0]), y_batch=np.zeros(1, int), a_batch=batch(load(name, 0)),
                        explain_func=lambda **_: batch(queue.pop(0)), softmax=False, device="cpu")
        yield dict(map=name, others=others, score=float(scores[0]))


def spearman():
    for one, other in [("epsilon", "z"), ("epsilon", "flat"), ("gradient", "guided_backprop"), ("alpha_1_beta_0", "gradient")]:
        score = quantus.similarity_func.correlation_spearman(load(one, 0).ravel(), load(other, 0).ravel())
        yield dict(one=one, other=other, score=float(score))


with contextlib.redirect_stdout(sys.stderr):
    parts = [("localisation", localisation), ("complexity", complexity), ("faithfulness", faithfulness),
             ("sensitivity", sensitivity), ("spearman", spearman)]
    found = {name: list(make()) for name, make in parts}
lines = [f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]" for name, cases in found.items()]
print("{" + ",\n".join(lines) + "}")
