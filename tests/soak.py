#!/usr/bin/env python3
"""Runs the long tests of docs/reliability.md one after the other: `make soak SOAK_MINUTES=30`.

The time is divided among the parts; one that is through earlier leaves its time to the others. The first violation ends
everything with exit code 1; what it says names the command that repeats it.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Tests that are marked #[ignore], and their share of the time.
TESTS = {
    "kill::soak_kills": 3,
    "crash::soak_crashes": 3,
    "rot::soak_damage": 3,
    "disk::soak_full_disks": 2,
    "disk::soak_lost_permissions": 1,
    "planted::soak_planted_files": 3,
    "planted::soak_planted_names": 2,
    "properties::soak_properties": 3,
}
FUZZING = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--parts", nargs="*", default=[*TESTS, "fuzz"], help="tests by name, and fuzz")
    arguments = parser.parse_args()
    shares = {name: share for name, share in [*TESTS.items(), ("fuzz", FUZZING)] if name in arguments.parts}
    end = time.monotonic() + arguments.minutes * 60
    while shares:
        name, share = next(iter(shares.items()))
        seconds = max(1, int((end - time.monotonic()) * share / sum(shares.values())))
        del shares[name]
        start = time.monotonic()
        print(f"{name}: up to {seconds} s", flush=True)
        if (fuzz if name == "fuzz" else test)(name, seconds) != 0:
            sys.exit(f"{name} failed after {time.monotonic() - start:.0f} s")


def test(name, seconds):
    cargo = os.environ.get("CARGO", "cargo")
    command = [
        cargo, "test", "--release", "--locked", "--workspace", "--quiet", "--test", "it", "--",
        "--ignored", "--exact", "--nocapture", "--test-threads=1", name,
    ]  # fmt: skip
    environment = {**os.environ, "SOAK_SECONDS": str(seconds)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    told = [line for line in ended.stdout.splitlines() if line.startswith("soak ")]
    print("\n".join(told), flush=True)
    if ended.returncode == 0 and not told:
        print(f"there is no test {name}", file=sys.stderr)
        return 1
    if ended.returncode != 0:
        print(ended.stdout, file=sys.stderr)
    return ended.returncode


def fuzz(_, seconds):
    sys.path.insert(0, str(ROOT / "fuzz"))
    import run

    each = max(1, seconds // len(run.TARGETS))
    return subprocess.run([sys.executable, "-B", ROOT / "fuzz/run.py", "--seconds", str(each)], cwd=ROOT).returncode


if __name__ == "__main__":
    main()
