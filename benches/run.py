#!/usr/bin/env python3
"""Measure README's speed table: xdlreg and what one would use instead, on the same cores, in turns.

    make bench
    python3 benches/run.py --torch-python peers-torch/bin/python --only training heatmaps

Rates and seconds are the best of some rounds, in which both sides take turns. Without a peer's environment its rows say
"not measured":

    python3.11 -m venv peers-torch && peers-torch/bin/pip install -r benches/peers/requirements-torch.txt
    python3.11 -m venv peers-keras && peers-keras/bin/pip install -r benches/peers/requirements-keras.txt
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from growth import GROWTH
from programs import BENCHES, Programs
from table import markdown
from works import WORKS

DESCRIPTION, EPILOG = __doc__.split("\n\n", 1)


def options() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(
        description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    environment = os.environ.get
    target = environment("CARGO_TARGET_DIR", BENCHES.parent / "target")
    arguments.add_argument("--torch-python", default=environment("TORCH_PYTHON"), help="default: $TORCH_PYTHON")
    arguments.add_argument("--keras-python", default=environment("KERAS_PYTHON"), help="default: $KERAS_PYTHON")
    arguments.add_argument("--programs", type=Path, default=Path(target) / "release", help="folder of xdlreg-run")
    arguments.add_argument("--only", nargs="+", choices=[*WORKS, *GROWTH], help="some of the works")
    arguments.add_argument("--rounds", type=int, default=3, help="default: 3")
    arguments.add_argument("--cores", default=None, help="two cores, such as 0,1; default: the first two")
    shared_memory = Path("/dev/shm")
    arguments.add_argument(
        "--scratch",
        type=Path,
        default=shared_memory if shared_memory.is_dir() else None,
        help="folder for 4 GB of temporary files; default: shared memory, so that no disk is measured",
    )
    return arguments.parse_args()


def python_of(given: str | None, variable: str) -> str | None:
    """The Python of peers, if there is one."""
    found = shutil.which(given) if given else None
    if found is None:
        print(f"no {variable}: its peers are not measured", file=sys.stderr)
        return None
    return os.path.abspath(found)


def cores_of(given: str | None) -> list[int]:
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return [int(core) for core in given.split(",")] if given else usable[:2]


def machine() -> str:
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
        flags = next((line for line in lines if line.startswith("flags")), "")
        model += next((f", {name}" for flag, name in [("avx512f", "AVX-512"), ("avx2", "AVX2")] if flag in flags), "")
    return model


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    chosen = options()
    works = chosen.only or [*WORKS, *GROWTH]
    cores = cores_of(chosen.cores)
    pythons = {
        "torch": python_of(chosen.torch_python, "TORCH_PYTHON"),
        "keras": python_of(chosen.keras_python, "KERAS_PYTHON"),
    }
    before, rows, growth = load(), [], []
    with tempfile.TemporaryDirectory(prefix="xdlreg-bench-", dir=chosen.scratch) as scratch:
        programs = Programs(chosen.programs.resolve() / "xdlreg-run", pythons, Path(scratch), cores)
        for name in works:
            start = time.perf_counter()
            if name in WORKS:
                rows += WORKS[name](programs, chosen.rounds)
            else:
                growth.append(GROWTH[name](programs, chosen.rounds))
            print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(f"{machine()}; cores {','.join(map(str, cores))}; best of {chosen.rounds} rounds in turns; ", end="")
    print(f"load {before} before, {load()} after; {time.strftime('%Y-%m-%d')}.\n")
    if rows:
        print(markdown(["work", "xdlreg", "peer", "ratio", "goal"], [row.cells() for row in rows]))
    for table in growth:
        print("\n" + table)


if __name__ == "__main__":
    main()
