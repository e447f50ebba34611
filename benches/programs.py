"""Runs both sides of a comparison on given cores, and takes seconds, rates and memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

BENCHES = Path(__file__).resolve().parent
SPECS = BENCHES / "specs"
LOOK_AT_MEMORY_EVERY = 0.02  # seconds


class Failed(Exception):
    """A program that ended with an error."""


@dataclass
class Programs:
    """xdlreg-run, and a Python for each environment of peers (None: that one is not there)."""

    program: Path
    pythons: dict[str, str | None]
    scratch: Path
    cores: list[int]

    # Our side

    def run(self, *arguments: object, cores: int = 2) -> float:
        """Seconds of `xdlreg-run ARGUMENTS`."""
        return self._seconds([self.program, *arguments], cores)

    def experiment(self, spec: Path, *settings: str, cores: int = 2) -> tuple[float, list[dict]]:
        """Seconds of an experiment that nothing is stored of yet, and its events."""
        output = self.results(spec)
        shutil.rmtree(output, ignore_errors=True)
        sets = [word for setting in settings for word in ("--set", setting)]
        seconds = self.run(spec, "--output", output, "--quiet", *sets, cores=cores)
        lines = (output / spec.stem / "events.jsonl").read_text().splitlines()
        return seconds, [json.loads(line) for line in lines]

    def results(self, spec: Path) -> Path:
        return self.scratch / "results" / spec.stem

    # Peers

    def version(self, environment: str, distribution: str, label: str) -> str:
        """The label with the version that is installed there, if any."""
        python = self.pythons[environment]
        ask = f"import importlib.metadata as m; print(m.version({distribution!r}))"
        if python is None:
            return label
        try:
            return f"{label} {self._output([python, '-c', ask], self.cores).strip()}"
        except Failed:
            return label

    def peer(self, environment: str, script: str, *arguments: object) -> list | None:
        """The command of a script of peers/. None without its environment."""
        python = self.pythons[environment]
        return None if python is None else [python, "-B", BENCHES / "peers" / script, *arguments]

    def rate(self, command: list | None, cores: int = 2, processes: int = 1) -> float | None:
        """The rate that a peer prints; of several processes at once, on a core each, their sum."""
        if command is None:
            return None
        places = [self.cores[k : k + 1] for k in range(processes)] if processes > 1 else [self.cores[:cores]]
        started = [self._start(command, place) for place in places]
        try:
            return sum(float(self._finish(process, command).splitlines()[-1]) for process in started)
        except Failed as failed:
            return not_measured(failed)

    def seconds(self, command: list | None, cores: int = 2) -> float | None:
        """Seconds of a peer's command."""
        try:
            return None if command is None else self._seconds(command, cores)
        except Failed as failed:
            return not_measured(failed)

    # Both

    def peak_memory(self, command: list | None, cores: int = 2) -> float | None:
        """MiB that a command and all its processes hold at most at once, as proportional set size: shared pages count
        once. None where the system does not tell."""
        if command is None or not Path("/proc/self/smaps_rollup").exists():
            return None
        process, peak = self._start(command, self.cores[:cores]), 0
        while process.poll() is None:
            peak = max(peak, sum(map(proportional_set_size, members_of_session(process.pid))))
            time.sleep(LOOK_AT_MEMORY_EVERY)
        try:
            self._finish(process, command)
        except Failed as failed:
            return not_measured(failed)
        return peak / 1024

    def _seconds(self, command: list, cores: int) -> float:
        start = time.perf_counter()
        self._output(command, self.cores[:cores])
        return time.perf_counter() - start

    def _output(self, command: list, cores: list[int]) -> str:
        return self._finish(self._start(command, cores), command)

    def _start(self, command: list, cores: list[int]) -> subprocess.Popen:
        def pin() -> None:
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, cores)

        return subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.scratch,
            preexec_fn=pin,
            start_new_session=True,
        )

    @staticmethod
    def _finish(process: subprocess.Popen, command: list) -> str:
        output, errors = process.communicate()
        if process.returncode != 0:
            last = (errors.strip() or output.strip() or "no word").splitlines()[-1]
            raise Failed(f"{' '.join(map(str, command))}: {last}")
        return output


def not_measured(why: Failed) -> None:
    print(f"not measured: {why}", file=sys.stderr)


def members_of_session(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it ended while we looked
    return found


def proportional_set_size(process: int) -> int:
    """In KiB."""
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0
