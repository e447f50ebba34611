"""Results, explanations and pumpkins, held against the files that the programs write and against numpy."""

import json
import unittest
from pathlib import Path

import numpy as np
import polars as pl
import xdlreg
from scene import TINY, InFolder


class OneRun(InFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.results = xdlreg.run(TINY)
        cls.id = cls.results.runs["run_id"][0]

    def test_tables_are_the_files(self):
        for name in ("runs", "epochs", "predictions", "measurements", "samples", "signs"):
            table = getattr(self.results, name)
            self.assertTrue(
                len(table) and table.equals(pl.read_parquet(self.results.path / f"{name}.parquet"), null_equal=True),
                name,
            )
        self.assertEqual(len(self.results), 1)

    def test_tables_that_were_written_again_are_read_again(self):
        results = xdlreg.run(TINY, output="again")
        self.assertEqual(len(results.epochs), 1)
        xdlreg.run(TINY, set={"train.epochs": 3}, output="again")
        self.assertEqual(len(results.epochs), 3)

    def test_maps_and_images_lie_in_memory_row_by_row(self):
        maps, images, explained = self.results.relevance(), self.results.images(), self.results.explained()
        self.assertIsInstance(maps, np.memmap)
        self.assertIsInstance(images, np.memmap)
        np.testing.assert_array_equal(images, np.load(self.results.dataset())["images"])
        self.assertEqual((maps.shape, images.shape), ((10, 98, 98), (100, 98, 98)))
        # The table of measurements has the sum of each map by its sample.
        sums = self.results.measurements.filter(
            (pl.col("metric") == "sum_relevance") & pl.col("sample").is_not_null()
        ).sort("sample")
        self.assertEqual(sums["sample"].to_list(), explained.tolist())
        np.testing.assert_allclose(maps.sum(axis=(1, 2), dtype=float), sums["value"], rtol=1e-5, atol=1e-6)

    def test_explaining_the_images_gives_the_maps_of_the_run(self):
        images = self.results.images()[self.results.explained()]
        np.testing.assert_array_equal(xdlreg.explain(self.results, images), self.results.relevance())
        single = xdlreg.explain(self.results.model(), images[3], device="cpu")
        np.testing.assert_array_equal(single, self.results.relevance()[3])

    def test_a_state_dict_is_explained(self):
        path = self.results.model()
        raw = path.read_bytes()
        size = int.from_bytes(raw[:8], "little")
        header, data = json.loads(raw[8 : 8 + size]), raw[8 + size :]
        header.pop("__metadata__", None)
        weights = {
            name: np.frombuffer(data[slice(*about["data_offsets"])], "<f4").reshape(about["shape"])
            for name, about in header.items()
        }
        images = self.results.images()[:3]
        np.testing.assert_array_equal(
            xdlreg.explain({name: array.astype(float) for name, array in weights.items()}, images, analyzer="gradient"),
            xdlreg.explain(path, images, analyzer="gradient"),
        )

    def test_options_of_analyzers_take_effect(self):
        image = self.results.images()[95]
        one, other = (
            xdlreg.explain(self.results, image, analyzer="lrp.epsilon", epsilon=epsilon) for epsilon in (1e-6, 1.0)
        )
        self.assertGreater(np.abs(one - other).max(), 1e-3 * np.abs(one).max())
        composite = [{"layer": "any", "rule": "epsilon", "epsilon": 1.0}]
        own = xdlreg.explain(self.results, image, analyzer="lrp", composite=composite)
        np.testing.assert_allclose(own, other, atol=1e-5 * np.abs(other).max())

    def test_explanations_that_cannot_be_made_are_refused(self):
        image = self.results.images()[0]
        cases = [
            (lambda: xdlreg.explain(self.results, image, analyzer="lrp.zz"), 'unknown value "lrp.zz"'),
            (lambda: xdlreg.explain(self.results, image, epsilonn=1), "epsilonn"),
            (lambda: xdlreg.explain(self.results, image[0]), r"array of shape \(98,\)"),
            (lambda: xdlreg.explain("nothere.safetensors", image), "nothere.safetensors"),
            (lambda: xdlreg.explain(3, image), "a int is not a network"),
        ]
        for call, said in cases:
            with self.subTest(said), self.assertRaisesRegex(xdlreg.SpecError, said):
                call()

    def test_pictures_are_those_of_the_folder(self):
        plain, pointers = self.results.heatmap(), self.results.heatmap(sample=91, pointers=True)
        self.assertTrue(plain.path.name.startswith("LRP_S90_") and pointers.path.name.endswith("_pointer.png"))
        self.assertEqual(plain._repr_mimebundle_()["image/png"][:8], b"\x89PNG\r\n\x1a\n")
        with self.assertRaisesRegex(xdlreg.XdlregError, "samples 90, 91"):
            self.results.heatmap(sample=3)
        self.assertIn("<svg", self.results.figure("sum_relevance")._repr_mimebundle_()["image/svg+xml"])
        self.assertIn("sum_relevance", self.results.figures)
        with self.assertRaisesRegex(
            xdlreg.XdlregError, "no figure sums; help: there are: age_distribution".replace("; ", "\n")
        ):
            self.results.figure("sums")
        plain.save("copy.png")
        self.assertEqual(Path("copy.png").read_bytes(), plain.data)
        self.assertIn("<iframe", self.results.report()._repr_html_())
        self.assertTrue(all(text in self.results._repr_html_() for text in ("experiment", "1 done", self.id)))

    def test_what_is_not_there_is_told(self):
        with self.assertRaisesRegex(xdlreg.XdlregError, "its tables: epochs, measurements"):
            self.results.regions
        with self.assertRaisesRegex(xdlreg.XdlregError, "is not a results folder"):
            xdlreg.Results("nowhere")
        with self.assertRaisesRegex(xdlreg.XdlregError, "has no run zz"):
            self.results.relevance("zz")


class ManyRuns(InFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.results = xdlreg.sweep({"explain.analyzer": ["lrp.z", "gradient"], "train.epochs": [1, 2]}, TINY, seeds=2)

    def test_runs_are_chosen_by_settings(self):
        runs = self.results.runs
        for chosen, condition in [
            (self.results.where({"explain.analyzer": "lrp.z"}), pl.col("explain.analyzer") == "lrp.z"),
            (
                self.results.where(explain__analyzer="lrp.z", epochs=2),
                (pl.col("explain.analyzer") == "lrp.z") & (pl.col("train.epochs") == 2),
            ),
            (self.results.where(replicate=1, epochs=[1, 2]), pl.col("replicate") == 1),
            (self.results.where(status="failed"), pl.lit(False)),
            # A setting that was not varied is known, too.
            (self.results.where(n_samples=100), pl.lit(True)),
            (
                self.results.where(analyzer="gradient").where(epochs=1),
                (pl.col("explain.analyzer") == "gradient") & (pl.col("train.epochs") == 1),
            ),
        ]:
            expected = runs.filter(condition)["run_id"].to_list()
            self.assertEqual(chosen.runs["run_id"].to_list(), expected)
            self.assertEqual(set(chosen.predictions["run_id"]), set(expected))
        self.assertEqual(self.results.where(data__seed=126).samples["simulate_key"].n_unique(), 1)
        for name, said in [
            ("nothing", "no run has a setting or column nothing"),
            ("seed", "data.seed or evaluate.seed or model.seed"),
        ]:
            with self.assertRaisesRegex(xdlreg.XdlregError, said):
                self.results.where(**{name: 1})

    def test_a_run_must_be_named_where_there_are_several(self):
        with self.assertRaisesRegex(xdlreg.XdlregError, "there are 8 runs; name one of them"):
            self.results.relevance()
        run = self.results.runs["run_id"][3]
        self.assertEqual(self.results.relevance(run[:6]).shape, (10, 98, 98))

    def test_two_runs_are_compared(self):
        runs = self.results.where(analyzer="lrp.z", replicate=0).runs.sort("train.epochs")
        a, b = runs["run_id"]
        settings, scores = self.results.compare(a, b)
        self.assertEqual(settings.rows(), [("train.epochs", "1", "2")])
        there = {name: values for name, *values in scores.iter_rows()}
        self.assertEqual(there["test_mae"], runs["test_mae"].to_list())


class Simulate(unittest.TestCase):
    def test_masks_are_where_the_images_show_signs(self):
        old = xdlreg.simulate(3, ages=[80], seed=1)
        self.assertEqual((old.images.shape, old.age.tolist()), ((3, 98, 98), [80.0] * 3))
        self.assertTrue((old.images[old.masks["atrophies"]] == 0).all() and old.masks["atrophies"].any())
        body = (old.images > 0) & ~old.masks["lesions"]
        self.assertGreater(old.images[old.masks["lesions"]].mean(), old.images[body].mean() + 0.1)
        self.assertFalse((old.masks["lesions"] & old.masks["atrophies"]).any() or old.masks["tumour"].any())
        # A lesion covers 3 x 3 pixels, some of which may overlap or be atrophied.
        for sample in range(3):
            self.assertLessEqual(old.masks["lesions"][sample].sum(), 9 * old.arrays["n_lesions"][sample])

    def test_a_tumour_has_one_intensity(self):
        ill = xdlreg.simulate(4, growth_mode="no_growth", ages=[60])
        for image, mask in zip(ill.images, ill.masks["tumour"]):
            self.assertTrue(mask.sum() > 4 and np.ptp(image[mask]) < 1e-6)

    def test_ages_follow_their_distribution(self):
        near = [np.mean(np.abs(pumpkins.age - 30) <= 8) for pumpkins in (
            xdlreg.simulate(2000, distribution="biased", target_bias=30), xdlreg.simulate(2000),
        )]  # fmt: skip
        self.assertGreater(near[0], near[1] + 0.1)
        with self.assertRaises(xdlreg.SpecError):
            xdlreg.simulate(2, ages=[30], target_bias=30)
        with self.assertRaisesRegex(xdlreg.SpecError, "growth"):
            xdlreg.simulate(2, growth_mode="fast")

    def test_analyzers_can_be_used(self):
        names = xdlreg.analyzers()
        self.assertTrue({"lrp.sequential_preset_a", "gradient", "zennit.epsilon_gamma_box"} <= set(names))
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
