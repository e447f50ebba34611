"""Summary of the explainers study: python experiments/explainers/summary.py [RESULTS [TUMOUR [SANITY]]] > experiments/explainers/summary.md"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import study

TRIVIAL = ["image", "edges", "noise"]
LAYERS = ["output", "dense", "conv5", "conv4", "conv3", "conv2", "conv1"]
SETTINGS = {"explain.baseline": "baseline", "explain.window": "window", "explain.stride": "stride"}


def explanation(run):
    """How a run explains: the analyzer, with whatever else was set."""
    set_too = [f"{name} = {run[column]:g}" for column, name in SETTINGS.items() if run.get(column) is not None]
    return ", ".join([run["explain.analyzer"], *set_too])


def read(folder):
    """The scores of whole runs: a row a score, with how it was explained and its replicate."""
    runs = study.runs(folder)
    named = pl.DataFrame(
        [(run["run_id"], explanation(run), run["replicate"]) for run in runs.iter_rows(named=True)],
        schema=["run_id", "explanation", "replicate"],
        orient="row",
    )
    scores = pl.read_parquet(folder / "measurements.parquet").filter(pl.col("sample").is_null())
    return runs, scores.join(named, on="run_id", how="inner")


def values(scores, metric, sign, explanation=None):
    """A score by replicate; of all explanations where it is the same for all, such as that of a trivial map."""
    found = scores.filter((pl.col("metric") == metric) & (pl.col("sign").eq_missing(pl.lit(sign, pl.String))) & pl.col("value").is_not_null())
    if explanation is not None:
        found = found.filter(pl.col("explanation") == explanation)
    # A trivial map's score stands in the run of every explanation.
    by_replicate = found.group_by("replicate").agg(pl.col("value").mean()).sort("replicate")
    return dict(by_replicate.iter_rows())


def cell(scores, metric, sign, digits, explanation=None):
    of_replicates = values(scores, metric, sign, explanation)
    if of_replicates:
        return study.written(of_replicates.values(), digits)
    note = scores.filter((pl.col("metric") == metric) & (pl.col("sign") == sign) & (pl.col("note") == "blind"))
    return "blind" if explanation is not None and note.filter(pl.col("explanation") == explanation).height else ""


def explanations(scores):
    """Every explanation with the number of its finished runs."""
    return dict(scores.group_by("explanation", maintain_order=True).agg(pl.col("run_id").n_unique()).iter_rows())


def ranked(scores, metric, sign):
    """Explanations from the best to the worst by a score; those without it last."""
    mean = lambda name: sum(values(scores, metric, sign, name).values()) / max(1, len(values(scores, metric, sign, name)))
    known = explanations(scores)
    return sorted(known, key=lambda name: (bool(values(scores, metric, sign, name)), mean(name)), reverse=True)


def ranks(values):
    return pl.Series(values).rank("average").to_numpy()


def correlation(x, y, given=None):
    """Spearman's, or the partial one with `given` held constant: of what a line through its ranks leaves of each."""
    x, y = ranks(x), ranks(y)
    if given is not None:
        given = ranks(given)
        x, y = (values - np.polyval(np.polyfit(given, values, 1), given) for values in (x, y))
    return np.corrcoef(x, y)[0, 1]


def spread_evenly(folder, runs):
    """Scores by replicate of a map that has f - output bias in sum, as relevance does, spread evenly over the image: it points nowhere."""
    first = runs.group_by("replicate").agg(pl.col("run_id", "simulate_key", "output_bias").first()).sort("replicate")
    samples = pl.read_parquet(folder / "samples.parquet")
    worth = study.scores(folder, "causal_years").filter(pl.col("sample").is_not_null()).select("run_id", "sample", years="value")
    tested = study.tested(folder).select("run_id", "sample", "age", "prediction").join(worth, on=["run_id", "sample"])
    found = {"causal_spearman.kind": {}, "causal_spearman.beyond_age": {}, "causal_slope.kind": {}}
    for run in first.iter_rows(named=True):
        own = samples.filter(pl.col("simulate_key") == run["simulate_key"]).drop("age")
        images = tested.filter(pl.col("run_id") == run["run_id"]).join(own, on="sample")
        area = (pl.col("tumour_row1") - pl.col("tumour_row0")) * (pl.col("tumour_col1") - pl.col("tumour_col0"))
        images = images.with_columns(spread=(pl.col("prediction") - run["output_bias"]) * area / 98**2)
        age, years, relevance = images.select("age", "years", "spread").to_numpy().T
        found["causal_spearman.kind"][run["replicate"]] = correlation(years, relevance)
        found["causal_spearman.beyond_age"][run["replicate"]] = correlation(years, relevance, age)
        found["causal_slope.kind"][run["replicate"]] = np.polyfit(years, relevance, 1)[0]
    return found


def full_table(scores, columns, by, more=()):
    """Columns are (title, metric, sign, digits, how trivial maps are named); rows go from the best by column `by` to the worst."""
    count = explanations(scores)
    rows = []
    for name in ranked(scores, *columns[by][1:3]):
        rows.append([name, count[name], *(cell(scores, metric, sign, digits, name) for _, metric, sign, digits, _ in columns)])
    for trivial in TRIVIAL:
        cells = [cell(scores, named.format(trivial), sign, digits) if named else "" for _, _, sign, digits, named in columns]
        rows.append([f"*{trivial}* (no explanation)", scores["replicate"].n_unique(), *cells])
    rows.extend(more)
    return study.table(["explanation", "seeds", *(column[0] for column in columns)], rows)


def best(scores, title, metric, sign, count=6):
    """How far the next explanations are behind the best, paired by replicate."""
    first, *others = [name for name in ranked(scores, metric, sign) if values(scores, metric, sign, name)][:count]
    of_first = values(scores, metric, sign, first)
    rows = [[title, first, study.written(of_first.values(), 2), ""]]
    for name in others:
        of_name = values(scores, metric, sign, name)
        shared = sorted(of_first.keys() & of_name.keys())
        behind = study.written([of_first[key] - of_name[key] for key in shared], 2) if shared else ""
        rows.append(["", name, study.written(of_name.values(), 2), behind])
    return rows


def networks(runs, rows):
    """What the networks are, a run a network: every explanation has the same ones."""
    of_networks = runs.group_by("replicate").agg(pl.col("test_mae").first()).sort("replicate")
    return study.table(["networks", "years"], [["test MAE", study.written(of_networks["test_mae"], 2)], *rows])


def signs_worth(scores, sign, called, each):
    """What all signs of a kind are worth together, mean over images, and one of them."""
    worth = lambda metric, digits: study.written(values(scores, metric, sign).values(), digits)
    return [[f"all {called} of a pumpkin", worth("causal_years", 1)], [each, worth("causal_years.each", 2)]]


def tumours_worth(folder, runs):
    """What a tumour is worth by the age of its pumpkin: mean over images of an age group, then over networks."""
    first = runs.group_by("replicate").agg(pl.col("run_id").first())
    worth = study.scores(folder, "causal_years").filter(pl.col("sample").is_not_null()).join(first, on="run_id")
    worth = worth.join(study.tested(folder).select("run_id", "sample", "age", "prediction"), on=["run_id", "sample"])
    rows = []
    for low, high in [(20, 39), (40, 59), (60, 80)]:
        group = worth.filter(pl.col("age").is_between(low, high)).group_by("replicate").agg(pl.col("value").mean()).sort("replicate")
        rows.append([f"a tumour at {low} to {high} years", study.written(group["value"], 1, sign=True)])
    without = worth.group_by("replicate").agg(low=(pl.col("prediction") - pl.col("value")).min(), high=(pl.col("prediction") - pl.col("value")).max())
    return [*rows, ["predictions without it, least and greatest", f"{without['low'].min():.1f}, {without['high'].max():.1f}"]]


def lesions_and_atrophies(folder):
    runs, scores = read(folder)
    worth = [*signs_worth(scores, "lesions", "lesions", "one lesion"), *signs_worth(scores, "atrophies_r1", "atrophies", "one atrophy")]
    print(networks(runs, worth))
    columns = [
        ("a lesion", "causal_spearman", "lesions", 2, "causal_spearman.{}"),
        ("an atrophy", "causal_spearman", "atrophies", 2, "causal_spearman.{}"),
        ("an atrophy and its rim", "causal_spearman", "atrophies_r1", 2, "causal_spearman.{}"),
        ("faithfulness, years", "faithfulness.positive", None, 1, None),
    ]
    print("Spearman's correlation of years and relevance over the signs of an image, mean over images.\n")
    print(full_table(scores, columns, 0))
    print(f"Faithfulness of the body's pixels in a random order: {cell(scores, 'faithfulness.noise', None, 1)} years.\n")
    rows = [row for title, metric, sign, *_ in columns[:3] for row in best(scores, title, metric, sign)]
    print(study.table(["sign", "explanation", "correlation", "behind the best, paired"], rows))


def tumours(folder):
    runs, scores = read(folder)
    print(networks(runs, tumours_worth(folder, runs)))
    columns = [
        ("years of the tumour, over images", "causal_spearman.kind", "tumour", 2, "causal_spearman.kind.{}"),
        ("the same at equal age", "causal_spearman.beyond_age", "tumour", 2, "causal_spearman.beyond_age.{}"),
        ("years of relevance for each year", "causal_slope.kind", "tumour", 2, None),
        ("points at it (average precision)", "average_precision.absolute", "tumour", 2, "average_precision.{}"),
        ("faithfulness, years", "faithfulness.positive", None, 1, None),
    ]
    print("Spearman's correlation over images of the years of a tumour and the relevance over it, and the same among pumpkins of equal age.\n")
    control = spread_evenly(folder, runs)
    cells = [study.written(control[metric].values(), 2) if metric in control else "" for _, metric, *_ in columns]
    print(full_table(scores, columns, 1, [["*prediction less output bias, spread evenly* (no explanation)", scores["replicate"].n_unique(), *cells]]))
    noise, chance = cell(scores, "faithfulness.noise", None, 1), cell(scores, "average_precision.chance", "tumour", 2)
    print(f"Faithfulness of the body's pixels in a random order: {noise} years; chance of average precision: {chance}.\n")
    print("How far explanations are above the prediction spread evenly, at equal age, paired by replicate.\n")
    beyond, of_control = "causal_spearman.beyond_age", control["causal_spearman.beyond_age"]
    rows = []
    for name in ranked(scores, beyond, "tumour"):
        of_name = values(scores, beyond, "tumour", name)
        rows.append([name, study.written([of_name[key] - of_control[key] for key in of_name], 2, sign=True)])
    print(study.table(["explanation", "above it"], rows))


def stability(folder):
    names = study.runs(folder).select("run_id", "explain.analyzer")
    metrics = ["max_sensitivity", *(f"randomisation_spearman.{layer}" for layer in LAYERS)]
    found = study.scores(folder, *metrics).filter(pl.col("sample").is_null()).join(names, on="run_id")
    found = found.pivot("metric", index="explain.analyzer", values="value").sort("explain.analyzer").select("explain.analyzer", *metrics)
    print("Of the first network: max-sensitivity, and the rank correlation with the map of a network whose layers are random from the output "
          "down to the one named.\n")
    rows = [[name, *(f"{value:.2f}" for value in row)] for name, *row in found.iter_rows()]
    print(study.table(["explanation", "max-sensitivity", *LAYERS], rows))


print("Mean over replicates with its 95 % percentile bootstrap interval.\n")
PARTS = [
    ("Lesions and atrophies", "explainers", lesions_and_atrophies),
    ("Tumours", "explainers-tumour", tumours),
    ("Stability and sanity", "explainers-sanity", stability),
]
for place, (title, name, part) in enumerate(PARTS, start=1):
    folder = study.results(name, place)
    print(f"## {title}\n")
    if (folder / "measurements.parquet").exists():
        part(folder)
    else:
        print(f"There is no results folder {name}.\n")
