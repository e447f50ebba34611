"""Runs the examples of docs/python.md, in their order and as they are printed."""

import re
import traceback
import unittest

from scene import REPOSITORY, InFolder

PAGE = REPOSITORY / "docs" / "python.md"


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

    def test_every_name_of_the_package_is_explained(self):
        import xdlreg

        text = PAGE.read_text()
        for name in xdlreg.__all__:
            if name not in ("MissingLibtorch", "Plan", "Pumpkins", "XdlregError", "export"):
                self.assertRegex(text, rf"\b{name}\b", name)


if __name__ == "__main__":
    unittest.main()
