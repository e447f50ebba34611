"""Runs the Python examples of the documentation, in their order and as they are printed."""

import re
import traceback
import unittest

import xdlreg
from scene import REPOSITORY, InFolder

PAGE = REPOSITORY / "docs" / "python.md"
TUTORIAL = REPOSITORY / "docs" / "tutorial.md"


class Examples(InFolder):
    def test_every_example_runs(self):
        text = PAGE.read_text()
        blocks = [
            (match.start(), match[1])
            for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        ]
        self.assertGreater(len(blocks), 8)
        names = {}
        for start, code in blocks:
            # Errors then name the line of the page.
            above = "\n" * (text[:start].count("\n") + 1)
            try:
                exec(compile(above + code, str(PAGE), "exec"), names)
            except Exception:
                self.fail(f"an example of docs/python.md does not run:\n{traceback.format_exc()}")
        self.assertLess(names["lesions"].mean(), 0.2)

    def test_the_tutorial_reads_its_own_results(self):
        text = TUTORIAL.read_text()
        (spec,) = re.findall(r"^```toml\n# pumpkins.toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        (self.folder / "pumpkins.toml").write_text(spec)
        xdlreg.run("pumpkins.toml", set={"train.epochs": 2, "run.device": "cpu"}, progress=False)
        (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        names = {}
        exec(compile(code, str(TUTORIAL), "exec"), names)
        self.assertEqual(len(names["runs"]), 9)
        self.assertGreater(len(names["lesions"]), 9)

    def test_every_name_of_the_package_is_explained(self):
        text = PAGE.read_text()
        for name in xdlreg.__all__:
            if name not in ("MissingLibtorch", "Plan", "Pumpkins", "XdlregError", "export"):
                self.assertRegex(text, rf"\b{name}\b", name)


if __name__ == "__main__":
    unittest.main()
