"""The notebook, run from its first cell to its last on real results. Run by `make test-notebook`.

    python notebook/test_walkthrough.py RESULTS...      each of them a results folder
"""

import base64
import os
import re
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = ("polars", "numpy", "matplotlib", "nbclient", "nbformat", "ipykernel")
NUMBER = r"([+−-]?\d+(?:\.\d+)?)"


def execute(results):
    """The notebook after all of its cells were run on this results folder."""
    notebook = nbformat.read(HERE / "walkthrough.ipynb", as_version=4)
    os.environ["XDLREG_RESULTS"] = str(results.resolve())
    client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(HERE)}})
    # Without its warning that the kernel is spoken to over this machine's own network.
    client.extra_arguments = ["--IPKernelApp.log_level=40"]
    client.execute()
    return notebook


def said(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def pictures(cell):
    return [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]


class Walkthrough:
    """On one results folder; what the notebook computed from arrays and raw rows is held against the runner's own scores."""

    results = None

    @classmethod
    def setUpClass(cls):
        cls.notebook = execute(cls.results)
        cls.code = [cell for cell in cls.notebook.cells if cell.cell_type == "code"]
        cls.cells = {cell.metadata.tags[0]: cell for cell in cls.code}
        cls.runs = pl.read_parquet(cls.results / "runs.parquet").filter(pl.col("status") == "done")
        cls.first = cls.runs.row(0, named=True)
        folder = cls.results / "notebook"
        folder.mkdir(exist_ok=True)
        for tag, cell in cls.cells.items():
            for picture in pictures(cell):
                (folder / f"{tag}.png").write_bytes(base64.b64decode(picture))

    def numbers(self, tag, pattern):
        """The numbers in what a cell said, where the pattern has N."""
        found = re.search(pattern.replace("N", NUMBER), said(self.cells[tag]))
        self.assertIsNotNone(found, f"{pattern} is not in: {said(self.cells[tag])}")
        return [float(number.replace("−", "-")) for number in found.groups()]

    def table(self, name):
        return pl.read_parquet(self.results / f"{name}.parquet").filter(pl.col("run_id") == self.first["run_id"])

    def test_all_cells_ran_in_their_order_and_nothing_complained(self):
        self.assertEqual([cell.execution_count for cell in self.code], list(range(1, len(self.code) + 1)))
        streams = [output for cell in self.code for output in cell.outputs if output.output_type == "stream"]
        self.assertEqual([output.text for output in streams if output.name == "stderr"], [])

    def test_every_cell_but_the_first_shows_one_picture(self):
        self.assertEqual([len(pictures(cell)) for cell in self.code], [0] + [1] * (len(self.code) - 1))
        self.assertTrue(all(len(base64.b64decode(picture)) > 5000 for cell in self.code for picture in pictures(cell)))

    def test_ages_are_those_of_the_predictions(self):
        ages = self.table("predictions").sort("sample")["target"]
        count, least, most, mean, median = self.numbers("ages", "N pumpkins of N to N years; mean N, median N")
        self.assertEqual((count, least, most), (len(ages), ages.min(), ages.max()))
        self.assertAlmostEqual(mean, ages.mean(), delta=0.0051)
        self.assertAlmostEqual(median, ages.median(), delta=0.051)

    def test_signs_are_counted_as_they_are_listed(self):
        samples = pl.read_parquet(self.results / "samples.parquet").filter(pl.col("simulate_key") == self.first["simulate_key"])
        tested = self.table("predictions").filter(pl.col("split") == "test")
        oldest = samples.filter(pl.col("sample").is_in(tested["sample"].to_list())).sort("age", "sample")["age"][-1]
        atrophies, lesions = self.numbers("pumpkin", "has N atrophies and N lesions")
        listed = samples.filter(pl.col("age") == oldest).select(pl.col("atrophy_rows").list.len(), pl.col("lesion_rows").list.len())
        self.assertIn((atrophies, lesions), listed.rows())

    def test_predictions_score_as_the_table_says(self):
        mae, r2, squared = self.numbers("predictions", "test MAE N years, R2 N, squared correlation N")
        self.assertAlmostEqual(mae, self.first["test_mae"], delta=1e-4)
        self.assertAlmostEqual(r2, self.first["test_r2"], delta=1e-4)
        self.assertAlmostEqual(squared, self.first["test_pearson_r"] ** 2, delta=1e-4)

    def test_the_last_epoch_is_the_last_row(self):
        count, train, validation = self.numbers("training", "N epochs; in the last one training MAE N, validation MAE N")
        epochs = self.table("epochs").sort("epoch")
        self.assertEqual(count, len(epochs))
        self.assertAlmostEqual(train, epochs["train_mae"][-1], delta=6e-4)
        self.assertAlmostEqual(validation, epochs["val_mae"][-1], delta=6e-4)

    def test_maps_add_up_to_the_scores_of_the_run(self):
        (slope,) = self.numbers("sums", "a year of prediction is N years of relevance")
        crossing, bias = self.numbers("sums", "zero at N years, the output bias is N")
        self.assertAlmostEqual(slope, self.first["relevance_slope"], delta=2e-4)
        self.assertAlmostEqual(crossing, self.first["relevance_zero_crossing"], delta=2e-3)
        self.assertAlmostEqual(bias, self.first["output_bias"], delta=1e-4)

    def test_scores_over_replicates_are_means_of_the_table(self):
        lines = re.findall(rf"test_mae \| (.+) \| {NUMBER} \[{NUMBER}, {NUMBER}\]", said(self.cells["scores"]))
        keys = [name for name in self.runs.columns if "." in name and not name.endswith(".seed")]
        groups = self.runs.group_by(keys, maintain_order=True).agg("test_mae")["test_mae"].to_list() if keys else [self.runs["test_mae"].to_list()]
        self.assertEqual(len(lines), len(groups))
        for (_, mean, low, high), values in zip(lines, groups):
            self.assertAlmostEqual(float(mean), sum(values) / len(values), delta=1e-4)
            self.assertTrue(min(values) - 1e-4 <= float(low) <= float(mean) <= float(high) <= max(values) + 1e-4)
            self.assertTrue(len(values) == 1 or float(low) < float(high))


class Committed(unittest.TestCase):
    def test_notebooks_are_committed_without_outputs(self):
        for path in HERE.glob("*.ipynb"):
            cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
            self.assertTrue(cells and all(not cell.outputs and cell.execution_count is None for cell in cells), path)


if __name__ == "__main__":
    import importlib.util

    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{sys.executable} lacks {', '.join(missing)}; nothing was tested. For instance:\n"
                 "  python3 -m venv venv && venv/bin/pip install -r notebook/requirements.txt\n"
                 "  make test-notebook NOTEBOOK_PYTHON=venv/bin/python")
    import nbclient
    import nbformat
    import polars as pl

    folders, sys.argv = [Path(argument) for argument in sys.argv[1:]], sys.argv[:1]
    if not folders:
        sys.exit(__doc__)
    for folder in folders:
        name = f"On_{re.sub(r'[^0-9A-Za-z]', '_', folder.name)}"
        globals()[name] = type(name, (Walkthrough, unittest.TestCase), {"results": folder})
    unittest.main()
