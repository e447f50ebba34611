"""Whether the real TensorBoard reads the event files of a results folder. Run by `make test-tensorboard`.

    python tests/tensorboard/test_scalars.py RESULTS
"""

import importlib.util
import sys
import unittest
from pathlib import Path

NEEDED = ("tensorboard", "polars")
RESULTS = Path(sys.argv[1]) if len(sys.argv) > 1 else None
# Of the event files: the names that Keras gives to a run and to a scalar. Of the table: the columns.
SCALARS = {("train", "epoch_loss"): "train_loss", ("train", "epoch_mae"): "train_mae",
           ("validation", "epoch_loss"): "val_loss", ("validation", "epoch_mae"): "val_mae"}


class Scalars(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # What TensorBoard's own page is served from.
        cls.board = EventMultiplexer().AddRunsFromDirectory(str(RESULTS / "tensorboard")).Reload()
        cls.epochs = pl.read_parquet(RESULTS / "epochs.parquet").sort("run_id", "epoch")

    def test_every_run_is_found_with_its_scalars(self):
        runs = self.epochs["run_id"].unique()
        self.assertGreater(len(runs), 0)
        self.assertEqual(set(self.board.Runs()), {f"{run}/{part}" for run in runs for part, _ in SCALARS})
        for tags in self.board.Runs().values():
            self.assertEqual(set(tags["tensors"]), {tag for _, tag in SCALARS})

    def test_values_are_those_of_the_table(self):
        for run in self.epochs["run_id"].unique():
            table = self.epochs.filter(pl.col("run_id") == run)
            for (part, tag), column in SCALARS.items():
                events = self.board.Tensors(f"{run}/{part}", tag)
                # Keras counts epochs from 0, and event files hold single precision.
                self.assertEqual([event.step for event in events], [epoch - 1 for epoch in table["epoch"]])
                values = [tensor_util.make_ndarray(event.tensor_proto).item() for event in events]
                self.assertEqual(values, table[column].cast(pl.Float32).to_list())

    def test_time_passes_from_epoch_to_epoch(self):
        for run in self.board.Runs():
            times = [event.wall_time for event in self.board.Tensors(run, "epoch_loss")]
            self.assertEqual(times, sorted(times))
            self.assertGreater(times[0], 1.7e9)


if __name__ == "__main__":
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{sys.executable} lacks {', '.join(missing)}; nothing was tested. For instance:\n"
                 "  python3 -m venv venv && venv/bin/pip install -r tests/tensorboard/requirements.txt\n"
                 "  make test-tensorboard TENSORBOARD_PYTHON=venv/bin/python")
    if RESULTS is None:
        sys.exit(__doc__)
    import polars as pl
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.util import tensor_util

    unittest.main(argv=sys.argv[:1])
