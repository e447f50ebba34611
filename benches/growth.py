"""How cost grows with images and with runs."""

from __future__ import annotations

from programs import Programs
from table import figure, markdown
from works import explain, turns

IMAGES = [500, 2000, 8000, 20000]
RUNS = [1, 4, 16, 64]
SPEC = """
[experiment]
name = "runs{runs}"

[data]
n_samples = 500

[train]
epochs = 2

[heatmaps]
count = 5

[[sweep]]
seeds = {runs}
"""


def images(programs: Programs, rounds: int) -> str:
    def seconds(n: int) -> float:
        drawn = programs.run("simulate", "--n", n, "--out", programs.scratch / f"set{n}.npz")
        return drawn + explain(programs, n)

    seen = turns(rounds, {n: lambda n=n: seconds(n) for n in IMAGES})
    return table("images simulated and explained", {n: min(seen[n]) for n in IMAGES})


def runs(programs: Programs, rounds: int) -> str:
    specs = {n: programs.scratch / f"runs{n}.toml" for n in RUNS}
    for n, spec in specs.items():
        spec.write_text(SPEC.format(runs=n))
    seen = turns(rounds, {n: lambda spec=spec: programs.experiment(spec)[0] for n, spec in specs.items()})
    return table("runs of 500 images, 2 epochs, all stages", {n: min(seen[n]) for n in RUNS})


def table(what: str, seconds: dict[int, float]) -> str:
    """Seconds, and what one more of them costs beyond the row before."""
    rows, before = [], (0, 0.0)
    for n, took in seconds.items():
        more = (took - before[1]) / (n - before[0]) * 1000
        rows.append([f"{n:,}", f"{figure(took)} s", f"{figure(more)} ms" if before[0] else ""])
        before = n, took
    return markdown([what, "seconds", "each beyond the row before"], rows)


GROWTH = {"images": images, "runs": runs}
