"""Reports as readers meet them: opened from disk in headless Chromium. Run by `make test-report`."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import chromium  # noqa: E402

REPORT = os.path.join(os.path.dirname(__file__), "../../target/report/large/report.html")
HOSTILE = "<script>alert(1)</script>"
PROGRAM = chromium.find()


def texts(selector):
    return f"[...document.querySelectorAll({json.dumps(selector)})].map((element) => element.textContent)"


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = chromium.Page(PROGRAM).__enter__()
        cls.seconds = cls.page.open(REPORT)

    @classmethod
    def tearDownClass(cls):
        cls.page.__exit__()

    def tearDown(self):
        self.assertEqual(self.page.errors, [])

    def column(self, name):
        heads = self.page.evaluate(texts("#table thead th"))
        return self.page.evaluate(texts(f"#table tbody td:nth-child({heads.index(name) + 1})"))

    def filter(self, text):
        self.page.evaluate(f"(() => {{ const box = document.getElementById('filter'); box.value = {json.dumps(text)};"
                           "box.dispatchEvent(new Event('input')); })()")

    def test_two_thousand_runs_load_in_time_and_nothing_is_asked_of_the_network(self):
        self.assertLess(self.seconds, 3)
        self.assertEqual(self.page.evaluate("document.getElementById('count').textContent"), "2000 of 2000 runs")
        # Pictures are unpacked by the page itself, into objects of its own.
        asked = [request for request in self.page.requests if not request.startswith("blob:")]
        self.assertEqual(len(asked), 1, asked)

    def test_every_figure_is_a_picture_that_can_be_seen(self):
        wide = self.page.evaluate(
            "Promise.all([...document.querySelectorAll('#figure-list img')].map("
            "(image) => image.decode().then(() => image.naturalWidth)))"
        )
        self.assertGreater(len(wide), 3)
        self.assertGreater(min(wide), 100)

    def test_a_hostile_name_is_text(self):
        self.assertEqual(self.page.evaluate("document.title"), HOSTILE)
        self.assertEqual(self.page.evaluate("document.getElementById('name').textContent"), HOSTILE)
        self.assertEqual(self.page.evaluate("document.scripts.length"), 2)

    def test_the_question_and_all_settings_are_told(self):
        self.assertIn("Does bias pull?", self.page.evaluate("document.getElementById('description').textContent"))
        self.assertIn("target_bias = 55.0", self.page.evaluate("document.getElementById('spec').textContent"))
        told = dict(zip(self.page.evaluate(texts("#summary dt")), self.page.evaluate(texts("#summary dd"))))
        self.assertEqual((told["runs"], told["varied"]), ("2000", "data.target_bias, model.output_bias"))
        # A seed that only counts replicates is no column at first.
        heads = self.page.evaluate(texts("#table thead th"))
        self.assertIn("replicate", heads)
        self.assertFalse([head for head in heads if head.endswith(".seed")])

    def test_provenance_is_told_as_words(self):
        facts = self.page.evaluate(texts("#facts dd"))
        self.assertTrue(facts and not any(set(fact) & set("[]{}") for fact in facts), facts)
        self.assertEqual(self.page.evaluate("document.getElementById('rerun').textContent"), f"xdlreg-run '{HOSTILE}.toml'")
        self.assertIn("xdlreg-run report ", self.page.evaluate("document.getElementById('redraw').textContent"))

    def test_headings_sort_both_ways(self):
        head = "[...document.querySelectorAll('#table thead button')].find((b) => b.textContent === 'test_mae')"
        for factor, said in ((1, "ascending"), (-1, "descending")):
            self.page.evaluate(f"{head}.click()")
            values = [float(text) * factor for text in self.column("test_mae") if text]
            self.assertEqual(len(values), 100)
            self.assertEqual(values, sorted(values))
            self.assertEqual(self.page.evaluate(f"{head}.parentElement.getAttribute('aria-sort')"), said)

    def test_the_keyboard_sorts_and_stays_where_it_was(self):
        head = "[...document.querySelectorAll('#table thead button')].find((b) => b.textContent === 'test_r2')"
        self.page.evaluate(f"{head}.focus()")
        self.page.press("Enter")
        self.assertEqual(self.page.evaluate(f"{head}.parentElement.getAttribute('aria-sort')"), "ascending")
        self.assertEqual(self.page.evaluate("document.activeElement.textContent"), "test_r2")

    def test_the_scale_is_shared_where_asked_for(self):
        self.choose("target")
        drawn = "gallery.tiles.map(({ canvas }) => canvas.toDataURL()).join()"
        own = self.page.evaluate(drawn)
        self.page.evaluate("document.getElementById('common').click()")
        self.page.wait(f"{drawn} !== {json.dumps(own)}")
        self.page.evaluate("document.getElementById('common').click()")
        self.page.wait(f"{drawn} === {json.dumps(own)}")

    def test_filters_ask_for_words_and_columns(self):
        try:
            self.filter("failed")
            self.assertEqual(set(self.column("status")), {"failed"})
            self.filter("target_bias=70 test_mae<3.3 output_bias=zero")
            self.assertEqual(set(self.column("data.target_bias")), {"70"})
            self.assertEqual(set(self.column("model.output_bias")), {"zero"})
            self.assertTrue(all(float(value) < 3.3 for value in self.column("test_mae")))
            self.filter("no-such-run")
            self.assertEqual(self.page.evaluate("document.getElementById('count').textContent"), "0 of 2000 runs")
        finally:
            self.filter("")

    def test_columns_are_chosen_and_more_rows_shown(self):
        box = "[...document.querySelectorAll('#column-choice label')].find((l) => l.textContent === 'train_seconds').firstChild"
        self.assertNotIn("train_seconds", self.page.evaluate(texts("#table thead th")))
        self.page.evaluate(f"{box}.click()")
        self.assertIn("train_seconds", self.page.evaluate(texts("#table thead th")))
        self.page.evaluate(f"{box}.click()")
        self.page.evaluate("document.getElementById('more').click()")
        self.assertEqual(self.page.evaluate("document.querySelectorAll('#table tbody tr').length"), 600)

    def test_figures_of_runs_and_of_comparisons_are_shown(self):
        self.page.wait("[...document.querySelectorAll('#figure-list img')].length >= 4")
        titles = self.page.evaluate(texts("#figure-list h3"))
        self.assertIn("Residual curves", titles)
        self.page.evaluate("(() => { const s = document.getElementById('figure-run'); s.value = '1'; s.onchange(); })()")
        titles = self.page.evaluate(texts("#figure-list h3"))
        self.assertIn("Heatmaps by age", titles)
        # Below each: what it was drawn from, and the command that draws it again.
        run = self.page.evaluate("report.figures.find(({ title }) => title === 'Heatmaps by age').run")
        below = self.page.evaluate(texts("#figure-list figcaption div"))
        self.assertEqual(len(below), len(titles))
        for said in below:
            self.assertRegex(said, rf"^From .+ · files .+ · again by xdlreg-run report .+large'? --run {run}$")
        self.page.wait("[...document.querySelectorAll('#figure-list img')].every((i) => i.complete && i.naturalWidth > 0)")

    def choose(self, mode):
        self.page.evaluate(f"document.querySelector('input[value={mode}]').click()")
        self.page.wait(f"document.getElementById('maps').dataset.shown === '{mode}'")

    def test_the_gallery_shows_a_run_by_age_and_reads_pixels(self):
        self.choose("target")
        self.page.wait("document.querySelectorAll('#maps canvas').length === 20")
        ages = self.page.evaluate("gallery.tiles.map(({ entry }) => report.gallery.samples[entry.image].target)")
        self.assertEqual(ages, sorted(ages))
        self.page.point("#maps canvas", 0.5, 0.2)
        said = self.page.evaluate("document.getElementById('readout').textContent")
        self.assertRegex(said, r"pixelrow 19, column 49relevance−?[\d.]+ years")
        # The relevance of the made-up runs is their image times a number, which the sum of the file's map gives away.
        here, there = self.page.evaluate("""(() => {
            const { map, image, entry } = gallery.tiles[3];
            const at = image.findIndex((value) => value > 0.5);
            return [map[at] / image[at], entry.sum / image.reduce((sum, value) => sum + value, 0)];
        })()""")
        self.assertAlmostEqual(here / there, 1, delta=0.01)

    def test_pointers_are_drawn_and_taken_away(self):
        self.choose("target")
        drawn = "gallery.tiles.map(({ canvas }) => canvas.toDataURL()).join()"
        plain = self.page.evaluate(drawn)
        self.page.evaluate("document.getElementById('pointers').click()")
        self.assertNotEqual(self.page.evaluate(drawn), plain)
        self.page.evaluate("document.getElementById('pointers').click()")
        self.assertEqual(self.page.evaluate(drawn), plain)

    def test_a_pumpkin_stands_side_by_side(self):
        self.choose("side")
        names = self.page.evaluate("[...new Set(gallery.tiles.map(({ entry }) => entry.image))]")
        self.assertEqual(len(names), 1)
        self.assertGreater(self.page.evaluate("new Set(gallery.tiles.map(({ run }) => run.id)).size"), 1)
        self.page.point("#maps figure:nth-child(2) canvas", 0.3, 0.5)
        rows = self.page.evaluate("document.querySelectorAll('#readout .others dt').length")
        self.assertEqual(rows, self.page.evaluate("gallery.tiles.length"))
        self.choose("target")

    def test_the_keyboard_reaches_pixels(self):
        self.choose("target")
        self.page.evaluate("(() => { gallery.pixel = null; document.querySelector('#maps canvas').focus(); })()")
        self.page.press("ArrowRight")
        self.page.press("ArrowDown")
        self.assertIn("row 50, column 50", self.page.evaluate("document.getElementById('readout').textContent"))

    def test_failures_are_told_with_reasons(self):
        said = self.page.evaluate("document.getElementById('trouble-list').textContent")
        self.assertIn(f"failed: train: the loss is not a number at epoch 3 {HOSTILE}", said)
        self.assertIn("invalid: the reference cannot be reached", said)

    def test_nothing_is_wider_than_a_phone(self):
        try:
            self.page.resize(390, 800)
            self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), 390)
        finally:
            self.page.resize(1280, 900)

    def test_letters_stand_out_in_the_dark(self):
        with chromium.Page(PROGRAM, dark=True) as page:
            page.open(REPORT)
            light = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
                                  ".map((color) => Math.max(...color.match(/\\d+/g).map(Number)))")
            self.assertLess(light[0], 60)
            self.assertGreater(light[1], 200)
            self.assertEqual(page.errors, [])


if __name__ == "__main__":
    if PROGRAM is None:
        sys.exit("no browser: install Debian's package chromium, or name a program in CHROMIUM; nothing was tested")
    unittest.main()
