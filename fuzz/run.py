#!/usr/bin/env python3
"""Runs the fuzz targets under libFuzzer and counts executions: `make fuzz`, or fuzz/run.py --help.

Each target starts from fuzz/corpus/TARGET and collects what it finds in target/fuzz/TARGET, so that a later run goes on from
there. An input that breaks a promise is kept as target/fuzz/TARGET-crash-... and ends everything with exit code 1.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = re.findall(r'name: "(\w+)", run:.*max_len: (\d+)', (HERE / "src/lib.rs").read_text())
# Targets that read TOML, which words help with.
SPECS = ["spec", "layers", "sweep"]
# No input may take longer than this, nor more memory.
SECONDS, MEMORY_MB, ALLOCATION_MB = 10, 1024, 512


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, help="xdlreg-fuzz; built with fuzz/coverage.sh where it is not given")
    parser.add_argument("--targets", nargs="*", default=[name for name, _ in TARGETS])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, default=-1, help="executions of each target, if that is less")
    parser.add_argument("--work", type=Path, default=HERE.parent / "target/fuzz")
    arguments = parser.parse_args()
    arguments.program = arguments.program or build()
    total, failed = 0, []
    for name, max_len in TARGETS:
        if name in arguments.targets:
            executions, code = fuzz(arguments, name, max_len)
            total += executions
            failed += [name] if code else []
    print(f"{total:,} executions in all")
    if failed:
        sys.exit("failed: " + ", ".join(failed))


def build():
    """Compiles the targets for libFuzzer, beside the programs for use; the compiled dependencies are the same."""
    command = [
        os.environ.get("CARGO", "cargo"), "build", "--release", "--locked", "--package=xdlreg-fuzz", "--features=libfuzzer",
        "--message-format=json-render-diagnostics",
    ]  # fmt: skip
    environment = {**os.environ, "RUSTC_WORKSPACE_WRAPPER": str(HERE / "coverage.sh")}
    built = subprocess.run(command, cwd=HERE, env=environment, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(built.returncode)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return Path(next(message["executable"] for message in messages if message.get("executable")))


def fuzz(arguments, name, max_len):
    """Runs a target; the number of its executions, and how the fuzzer ended."""
    found = arguments.work / name
    found.mkdir(parents=True, exist_ok=True)
    command = [
        arguments.program, found, HERE / "corpus" / name, f"-max_len={max_len}", f"-max_total_time={arguments.seconds}",
        f"-runs={arguments.runs}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEMORY_MB}", f"-malloc_limit_mb={ALLOCATION_MB}",
        f"-artifact_prefix={arguments.work}/{name}-", "-print_final_stats=1", "-reload=0", "-close_fd_mask=1",
    ]  # fmt: skip
    if name in SPECS:
        command.append(f"-dict={HERE / 'words.dict'}")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XDLREG_")}
    environment["XDLREG_FUZZ_TARGET"] = name
    start = time.monotonic()
    ended = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, errors="replace")
    said = ended.stderr
    executions = int((re.findall(r"number_of_executed_units: (\d+)", said) or ["0"])[0])
    coverage = (re.findall(r"cov: (\d+)", said) or ["?"])[-1]
    memory = (re.findall(r"peak_rss_mb: (\d+)", said) or ["?"])[0]
    print(
        f"{name:12} {executions:10,} executions in {time.monotonic() - start:5.0f} s, {coverage} edges, {memory} MB"
        + ("" if ended.returncode == 0 else " FAILED"),
        flush=True,
    )
    if ended.returncode != 0:
        print(said[-3000:], file=sys.stderr)
    return executions, ended.returncode


if __name__ == "__main__":
    main()
