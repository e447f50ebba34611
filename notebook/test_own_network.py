"""notebook/own_network.ipynb, run from its first cell to its last in an empty folder. Run by `make test-notebook`."""

import importlib.util
import os
import re
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = ("torch", "polars", "numpy", "matplotlib", "nbclient", "nbformat", "ipykernel")
# How much of the relevance lies on the blobs, which the notebook itself does not say.
SHARE = """
on = blobs[350:354]
print({name: round(float(np.abs(found)[on].sum() / np.abs(found).sum()), 3) for name, found in maps.items()}, round(float(on.mean()), 3))
"""


class OwnNetwork(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.notebook = nbformat.read(HERE / "own_network.ipynb", as_version=4)
        cls.notebook.cells.append(nbformat.v4.new_code_cell(SHARE, metadata={"tags": ["share"]}))
        with tempfile.TemporaryDirectory() as folder:
            client = nbclient.NotebookClient(
                cls.notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": folder}}
            )
            client.extra_arguments = ["--IPKernelApp.log_level=40"]
            client.execute()
            cls.files = sorted(os.listdir(folder))
        cls.cells = {cell.metadata.tags[0]: cell for cell in cls.notebook.cells if cell.cell_type == "code"}

    def said(self, tag):
        return "".join(output.get("text", "") for output in self.cells[tag].outputs)

    def test_the_network_has_learned_something(self):
        error, mean = map(float, re.findall(r"(\d+\.\d)", self.said("network")))
        self.assertLess(error, mean / 3)

    def test_predictions_are_those_of_pytorch(self):
        (difference,) = re.findall(r"predictions: (\S+)", self.said("maps"))
        self.assertLess(float(difference), 1e-3)

    def test_relevance_lies_on_the_blobs(self):
        *shares, chance = map(float, re.findall(r"\d\.\d+", self.said("share")))
        self.assertEqual(len(shares), 3)
        for share in shares:
            self.assertGreater(share, 2 * chance)

    def test_the_export_is_a_spec_with_its_weights(self):
        self.assertIn('{ type = "dense"', self.said("export"))
        self.assertEqual(self.files, ["net.safetensors", "net.toml"])

    def test_it_shows_its_maps(self):
        pictures = [output for output in self.cells["maps"].outputs if "image/png" in output.get("data", {})]
        self.assertEqual(len(pictures), 1)


if __name__ == "__main__":
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{sys.executable} lacks {', '.join(missing)}; own_network.ipynb was not tested. Name a Python that has them in TORCH_PYTHON.")
    import nbclient
    import nbformat

    unittest.main()
