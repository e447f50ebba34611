"""Experiments that are run, planned and varied from Python, with the real programs."""

import os
import signal
import subprocess
import time
import unittest
import warnings
from pathlib import Path
from unittest import mock

import polars as pl
import xdlreg
from scene import TINY, InFolder, python
from xdlreg import _toml


class Run(InFolder):
    def test_a_dictionary_and_a_file_are_one_experiment(self):
        Path("tiny.toml").write_text(_toml.document(TINY))
        of_dictionary, of_file = xdlreg.run(TINY), xdlreg.run("tiny.toml")
        self.assertEqual((of_dictionary.path, of_file.path), (Path("results/experiment"), Path("results/tiny")))
        measured = "train_mae", "test_mae", "output_bias", "explain_key"
        self.assertEqual(of_dictionary.runs.select(measured).rows(), of_file.runs.select(measured).rows())
        self.assertEqual(of_dictionary.runs["status"].to_list(), ["done"])

    def test_settings_are_laid_over_the_spec(self):
        results = xdlreg.run(
            TINY,
            set={"experiment.name": "2024", "train.epochs": 2, "explain.analyzer": "lrp.z"},
            output="elsewhere",
            jobs=1,
        )
        self.assertEqual(results.path, Path("elsewhere/2024"))
        self.assertEqual(results.epochs["epoch"].to_list(), [1, 2])
        self.assertEqual(results.settings()["explain.analyzer"], "lrp.z")

    def test_a_plan_says_what_is_to_be_done_and_writes_nothing(self):
        before = self.everything()
        plan = xdlreg.plan(
            {**TINY, "sweep": [{"grid": {"explain.analyzer": ["lrp.z", "gradient"]}, "seeds": 2}]}, output="new"
        )
        self.assertEqual((plan.runs, plan.cached), (4, 0))
        self.assertEqual(plan.tasks, {"simulate": 2, "train": 2, "explain": 4, "evaluate": 4, "render": 4})
        self.assertEqual(self.everything(), before)
        xdlreg.run(TINY, output="planned")
        self.assertEqual(
            (xdlreg.plan(TINY, output="planned").cached, xdlreg.plan(TINY, output="planned").time), (5, "nothing to do")
        )

    def test_a_sweep_runs_every_combination(self):
        grid = {"explain.analyzer": ["lrp.z", "gradient"], "train.epochs": [1, 2]}
        results = xdlreg.sweep(grid, TINY, seeds=2, exclude=[{"explain.analyzer": "gradient", "train.epochs": 2}])
        self.assertEqual(results.path, Path("results/sweep"))
        cells = sorted(results.runs.select("explain.analyzer", "train.epochs", "replicate").rows())
        expected = [("gradient", 1), ("lrp.z", 1), ("lrp.z", 2)]
        self.assertEqual(cells, [(*cell, seed) for cell in expected for seed in (0, 1)])
        Path("base.toml").write_text(_toml.document(TINY))
        of_file = xdlreg.sweep({"data.seed": [126, 127]}, "base.toml")
        self.assertEqual((of_file.path, sorted(of_file.runs["data.seed"])), (Path("results/base"), [126, 127]))

    def test_the_call_of_the_original_works_unchanged(self):
        from xdlreg.run_simulation import run_simulation

        results = run_simulation(path="P", n_samples=100, uniform=False, target_bias=55, epochs=1, plot_n_heatmaps=1)
        self.assertEqual(results.path, Path("P/100_human_non-uniform-55_1-epochs"))
        self.assertEqual(len(list(results.path.glob("heatmaps/*/*.png"))), 2)
        # In the original's order, too.
        self.assertEqual(run_simulation("P", 100, False, 55, 1, 1).path, results.path)
        with self.assertRaisesRegex(xdlreg.SpecError, "n_samples"):
            run_simulation(path="Q", n_samples=99)
        self.assertFalse(Path("Q").exists())


class Mistakes(InFolder):
    def test_a_mistake_in_a_file_has_its_place_and_help(self):
        Path("bad.toml").write_text("[data]\nn_samples = 100\n\n[train]\n  epoch = 3\n")
        with self.assertRaises(xdlreg.SpecError) as caught:
            xdlreg.run("bad.toml")
        error = caught.exception
        self.assertEqual((error.location.file, error.location.line, error.location.column), ("bad.toml", 5, 3))
        self.assertEqual(error.message, "unknown key `epoch` in [train]")
        self.assertIn("did you mean `epochs`?", error.help)
        self.assertTrue(
            str(error).startswith("bad.toml:5:3: unknown key `epoch` in [train]\nhelp: did you mean"), str(error)
        )
        self.assertEqual(error.exit_code, 2)
        self.assertFalse(Path("results/bad").exists())

    def test_all_mistakes_of_a_dictionary_are_told_without_a_file_that_nobody_wrote(self):
        with self.assertRaises(xdlreg.SpecError) as caught:
            xdlreg.run({"train": {"epochs": 0, "learning_rate": -1}})
        messages = [mistake.message for mistake in caught.exception.mistakes]
        self.assertEqual(
            messages, ["train.epochs must be at least 1, got 0", "train.learning_rate must be positive, got -1"]
        )
        self.assertIsNone(caught.exception.mistakes[0].location)
        self.assertNotIn(".toml", str(caught.exception))
        with self.assertRaises(xdlreg.SpecError) as caught:
            xdlreg.plan({"data.n_sample": 100})
        self.assertNotIn("/", str(caught.exception))

    def test_what_is_no_spec_is_refused(self):
        cases = [
            (lambda: xdlreg.run("nothere.toml"), "cannot read the spec nothere.toml"),
            (lambda: xdlreg.run(TINY, jobs=0), "--jobs"),
            (lambda: xdlreg.run(TINY, set={"train.epochz": 1}), "unknown key `epochz`"),
            (lambda: xdlreg.run({"train": {"epochs": object()}}), "train.epochs is a object"),
            (lambda: xdlreg.run({"train": 3, "train.epochs": 3}), "has both train and train.epochs"),
            (lambda: xdlreg.sweep(), "varies nothing"),
            (lambda: xdlreg.sweep({"a": [1]}, {"sweep": []}), "sweep of its own"),
        ]
        before = self.everything()
        for call, said in cases:
            with self.subTest(said), self.assertRaisesRegex(xdlreg.SpecError, said):
                call()
        self.assertEqual(self.everything(), before)

    def test_runs_that_fail_are_told(self):
        # A worker that ends at once, as one without its libraries does.
        with (
            mock.patch.dict(os.environ, {"XDLREG_WORKER": "/bin/false"}),
            self.assertRaises(xdlreg.XdlregError) as caught,
        ):
            xdlreg.run({**TINY, "run": {"device": "cpu", "retries": 0}})
        self.assertIn("the worker exited with code 1", str(caught.exception))
        self.assertIsInstance(caught.exception, xdlreg.RunError)
        self.assertEqual(caught.exception.results.runs["status"].to_list(), ["failed"])

    def test_a_program_that_is_not_there_is_told(self):
        with (
            mock.patch.dict(os.environ, {"XDLREG_PROGRAMS": str(self.folder)}),
            self.assertRaisesRegex(xdlreg.XdlregError, "xdlreg-run is not in XDLREG_PROGRAMS"),
        ):
            xdlreg.run(TINY)


class Interrupted(InFolder):
    LONG = {**TINY, "train": {"epochs": 100_000}}

    def test_ctrl_c_stops_in_order_and_the_same_call_continues(self):
        code = f"import xdlreg\ntry: xdlreg.run({self.LONG})\nexcept KeyboardInterrupt: print('stopped in order')"
        process = subprocess.Popen(python(code), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        events = Path("results/experiment/events.jsonl")
        self.wait(lambda: events.exists() and events.read_text().count("epoch_finished") > 20)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
        self.assertEqual((said, errors, process.returncode), ("stopped in order\n", "", 0))
        self.assertTrue(events.read_text().strip().splitlines()[-1].find('"interrupted"') > 0)
        epochs = events.read_text().count("epoch_finished")
        # Nothing works on any more: a runner would hold the lock of the folder, and go on writing.
        time.sleep(0.5)
        self.assertEqual(events.read_text().count("epoch_finished"), epochs)
        self.assertEqual(xdlreg.run(TINY, output="other").runs["status"].to_list(), ["done"])

    def wait(self, condition):
        for _ in range(600):
            if condition():
                return
            time.sleep(0.1)
        self.fail("nothing happened for a minute")


class Toml(unittest.TestCase):
    def test_values_are_written_as_toml_reads_them(self):
        cases = [
            (True, "true"), (3, "3"), (1e-05, "1e-05"), (0.5, "0.5"), ('a "b"\n', '"a \\"b\\"\\n"'), (Path("x"), '"x"'),
            ([1, "a"], '[1, "a"]'), ((1, 2), "[1, 2]"), ({"a.b": [1], "c": None}, '{ "a.b" = [1] }'),
            (pl.Series([1, 2]).to_numpy(), "[1, 2]"), (pl.Series([0.5]).to_numpy()[0], "0.5"), ("\x7f", '"\\u007f"'),
        ]  # fmt: skip
        for value, text in cases:
            self.assertEqual(_toml.text(value), text)

    def test_dotted_keys_are_sections(self):
        self.assertEqual(_toml.nested({"a.b": 1, "a": {"c": 2}, "a.d": 3}), {"a": {"b": 1, "c": 2, "d": 3}})
        self.assertEqual(_toml.document({"a.b": 1, "s": [{"x.y": 2}]}), '"s" = [{ "x.y" = 2 }]\n\n["a"]\n"b" = 1\n')


class Progress(unittest.TestCase):
    def test_a_terminal_sees_how_far_it_is(self):
        import pty

        code = f"import xdlreg, tempfile\nxdlreg.run({TINY}, output=tempfile.mkdtemp())"
        leader, follower = pty.openpty()
        process = subprocess.Popen(python(code), stderr=follower, stdout=subprocess.PIPE)
        os.close(follower)
        shown = b""
        while True:
            try:
                piece = os.read(leader, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        os.close(leader)
        self.assertEqual(process.communicate()[0], b"")
        text = shown.decode()
        self.assertIn("experiment · 0/1 runs", text)
        self.assertRegex(text, r"experiment: 1 of 1 runs done in \d+\.\d s\r\n$")

    def test_nothing_is_written_where_nobody_looks(self):
        code = f"import xdlreg, tempfile\nxdlreg.run({TINY}, output=tempfile.mkdtemp())"
        done = subprocess.run(python(code), capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


class Import(unittest.TestCase):
    def test_importing_loads_neither_numpy_nor_polars(self):
        code = "import sys, xdlreg; dir(xdlreg); print([name for name in ('numpy', 'polars', 'torch') if name in sys.modules])"
        done = subprocess.run(python(code), capture_output=True, text=True)
        self.assertEqual(done.stdout, "[]\n", done.stderr)

    def test_all_names_are_there(self):
        names = [name for name in xdlreg.__all__ if name != "export"]
        self.assertTrue(all(callable(getattr(xdlreg, name)) for name in names))
        with self.assertRaises(AttributeError):
            xdlreg.nothing


if __name__ == "__main__":
    warnings.simplefilter("error")
    unittest.main()
