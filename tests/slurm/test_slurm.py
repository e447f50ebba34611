#!/usr/bin/env python3
"""Experiments on a real Slurm of two nodes: `make test-slurm`.

usage: test_slurm.py PROGRAMS [unittest's options]
"""

import atexit
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cluster

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path("target/release")

SPEC = """
[data]
n_samples = 100
seed = 126
[train]
epochs = {epochs}
[heatmaps]
count = 1
[run]
device = "cpu"
executor = "slurm"
[run.slurm]
time = "{time}"
{slurm}
"""
SWEEP = """
[[sweep]]
grid = {{ "explain.analyzer" = ["lrp.z", "gradient"] }}
seeds = {seeds}
"""
# Some ten seconds of training, and long enough to be found while it runs.
LONG = 600


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix="xdlreg-slurm-"))
        cls.cluster = cluster.Cluster(cls.root / "cluster", array=10)
        # Also where the test itself is interrupted.
        atexit.register(cls.cluster.stop)
        try:
            cls.cluster.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        shutil.rmtree(cls.root, ignore_errors=True)

    def setUp(self):
        self.folder = self.root / self._testMethodName
        self.folder.mkdir()
        self.fakes = self.folder / "fakes"
        self.fakes.mkdir()

    def tearDown(self):
        subprocess.run(["scancel", "--user=root"], env=self.cluster.environment, check=False)
        self.until(lambda: not self.queue(), "an empty queue", 60)

    # What is run.

    def spec(self, epochs=2, seeds=1, time="10", slurm="", sweep=True):
        text = SPEC.format(epochs=epochs, time=time, slurm=slurm) + (SWEEP.format(seeds=seeds) if sweep else "")
        (self.folder / "spec.toml").write_text(text)

    def environment(self, **more):
        environment = {name: value for name, value in self.cluster.environment.items() if not name.startswith("XDLREG_")}
        environment["PATH"] = f"{self.fakes}:{environment['PATH']}"
        return {**environment, **more}

    def run_it(self, *arguments, code=0, **more):
        command = [PROGRAMS / "xdlreg-run", *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if code is not None:
            self.assertEqual(ended.returncode, code, ended.stdout)
        return ended.stdout

    def fake(self, name, script):
        """A program that takes the place of one of Slurm's. $REAL is the real one."""
        real = shutil.which(name, path=self.cluster.environment["PATH"])
        path = self.fakes / name
        path.write_text(f"#!/bin/bash\nREAL={real}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    # What is seen.

    def until(self, condition, what, seconds=90):
        self.cluster.wait_for(condition, what, seconds)

    def queue(self):
        return self.cluster.call("squeue", "--noheader", "--array", "--format=%i %T").splitlines()

    def running(self):
        return [line.split()[0] for line in self.queue() if "RUNNING" in line]

    def submissions(self):
        return sorted((self.folder / "results/spec/slurm").glob("xdlreg-*"))

    def epochs(self):
        """How many epochs jobs have told of."""
        files = (file for folder in self.submissions() for file in folder.glob("*.jsonl"))
        return sum(file.read_text().count('"train_loss"') for file in files)

    def workers(self):
        """The worker processes of this case."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if command[0].endswith(b"xdlreg-worker") and any(str(self.folder).encode() in word for word in command):
                found.append(int(process.name))
        return found

    def collect(self, done, code=0):
        """Gives the command again until nothing is outstanding."""
        end = time.monotonic() + 300
        while True:
            told = self.run_it("spec.toml", code=None)
            if "wait or run" not in told and "waits or runs" not in told:
                self.assertIn(f"{done} done", told)
                self.assertTrue((self.folder / "results/spec/report.html").is_file())
                return told
            self.assertLess(time.monotonic(), end, told)
            time.sleep(1)

    def same_as_local(self):
        """The tables, networks and maps are those of the local executor."""
        self.run_it("spec.toml", "--executor", "local", "--output", "local", code=None)
        one, other = self.folder / "results/spec", self.folder / "local/spec"
        for file in [*other.glob("models/*"), *other.glob("relevance/*.npy"), *other.glob("heatmaps/*/*")]:
            self.assertEqual(file.read_bytes(), (one / file.relative_to(other)).read_bytes(), file)
        command = [
            os.environ.get("CARGO", "cargo"), "test", "--release", "--locked", "--workspace", "--quiet", "--test", "it", "--",
            "--ignored", "--exact", "shard::tables_of_two_folders_are_the_same",
        ]  # fmt: skip
        environment = {**os.environ, "SAME_TABLES": f"{one}:{other}"}
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertIn("1 passed", ended.stdout)

    # The cases.

    def test_a_detached_sweep_has_the_tables_of_the_local_executor(self):
        self.spec(seeds=12, slurm="tasks_per_job = 2")
        told = self.run_it("spec.toml")
        self.assertIn("24 not reached", told)
        # Twelve trainings in pairs, then 24 explanations in two arrays of ten jobs at most.
        self.assertEqual(told.count("submitted job"), 3, told)
        self.assertIn("submitted to Slurm", self.run_it("status", "results/spec"))
        self.until(lambda: not self.queue(), "an empty queue", 120)
        self.assertIn("96 of 96 stages done", self.run_it("status", "results/spec"))
        told = self.collect(18)
        self.assertIn("6 invalid", told)
        self.same_as_local()
        self.assertEqual(len(self.submissions()), 3)
        run = json.loads((self.folder / "results/spec/plan.json").read_text())["runs"][0]["run_id"]
        self.assertIn("train ", self.run_it("logs", "results/spec", run))
        self.assertIn("train", self.run_it("why", "results/spec", run))

    def test_report_collects_what_jobs_have_finished(self):
        self.spec()
        self.run_it("spec.toml")
        self.until(lambda: not self.queue(), "an empty queue")
        self.run_it("report", "results/spec")
        self.assertIn("2 done", self.run_it("status", "results/spec"))

    def test_waiting_follows_to_the_end(self):
        self.spec(seeds=2)
        told = self.run_it("spec.toml", "--wait")
        self.assertNotIn("not reached", told)
        self.assertRegex(told, r"\d done, 0 failed")
        self.assertIn("train: done", told)

    def test_a_job_with_several_workers_fills_its_cores(self):
        self.spec(seeds=3, slurm="cpus = 1\ntasks_per_job = 6")
        self.run_it("spec.toml", "--set", "run.threads_per_worker=1", "--wait")
        script = (self.submissions()[0] / "job.sh").read_text().replace("--cpus-per-task=1", "--cpus-per-task=2")
        self.assertIn("exec", script)
        shown = self.run_it("plan", "spec.toml", "--output", "else", "--set", "run.slurm.cpus=4")
        self.assertIn("seq 4", shown)
        self.assertIn("#SBATCH --cpus-per-task=4", shown)

    def test_a_worker_that_is_killed_costs_its_job_alone(self):
        self.spec(epochs=LONG, sweep=False)
        self.run_it("spec.toml")
        self.until(lambda: self.epochs() > 5, "epochs")
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)
        self.until(lambda: not self.queue(), "an empty queue")
        told = self.run_it("spec.toml")
        self.assertRegex(told, "is tried again: the job ended as FAILED")
        self.collect(1)
        log = "".join(file.read_text() for folder in self.submissions() for file in folder.glob("*.jsonl"))
        self.assertIn("training goes on after epoch", log)
        self.same_as_local()

    def test_a_node_is_drained_and_resumed(self):
        self.spec(epochs=LONG, slurm="tasks_per_job = 1", seeds=2)
        for node in ("d1", "d2"):
            self.cluster.call("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        self.run_it("spec.toml")
        time.sleep(3)
        self.assertEqual(self.running(), [])
        self.assertIn("pending", self.run_it("status", "results/spec"))
        for node in ("d1", "d2"):
            self.cluster.call("scontrol", "update", f"nodename={node}", "state=resume")
        self.until(lambda: self.running(), "jobs that run")
        self.collect(4)

    def test_a_node_whose_daemon_dies_is_replaced(self):
        self.spec(epochs=LONG, slurm="tasks_per_job = 1", seeds=2)
        self.run_it("spec.toml")
        self.until(lambda: len(self.running()) == 2 and self.epochs() > 5, "two jobs that train")
        daemon = self.cluster.processes.pop("d2")
        daemon.kill()
        daemon.wait()
        try:
            self.collect(4)
        finally:
            self.cluster.spawn("d2", ["slurmd", "-D", "-N", "d2"])
            self.cluster.call("scontrol", "update", "nodename=d2", "state=resume")
            self.until(lambda: "d2 idle" in self.cluster.call("sinfo", "-h", "-N", "-o", "%N %T"), "node d2", 90)

    def test_jobs_that_somebody_cancelled_are_not_requeued_but_submitted_again(self):
        self.spec(epochs=LONG, sweep=False)
        self.run_it("spec.toml")
        self.until(lambda: self.epochs() > 5, "epochs")
        self.cluster.call("scancel", self.running()[0])
        self.until(lambda: not self.queue(), "an empty queue")
        time.sleep(3)
        self.assertEqual(self.queue(), [], "it was requeued against the will of whoever cancelled it")
        self.assertIn("is tried again: the job was cancelled", self.run_it("spec.toml"))
        self.collect(1)

    def test_the_time_limit_requeues_a_training_to_the_same_bits(self):
        self.spec(epochs=2 * LONG, sweep=False, time="1", slurm="warning = 45")
        self.run_it("spec.toml")
        self.until(lambda: "is requeued, for the 1. time" in self.log(), "requeueing", 120)
        self.assertEqual(len(self.submissions()), 1)
        self.collect(1)
        self.assertEqual(len(self.submissions()), 1, "no other job was needed")
        self.same_as_local()

    def log(self):
        return "".join(file.read_text() for folder in self.submissions() for file in folder.glob("*.log"))

    def test_a_preemption_signal_stores_the_epoch_and_requeues(self):
        self.spec(epochs=LONG, sweep=False)
        self.run_it("spec.toml")
        self.until(lambda: self.epochs() > 5, "epochs")
        self.cluster.call("scancel", "--batch", "--signal=TERM", self.running()[0])
        self.until(lambda: "is requeued" in self.log(), "requeueing")
        self.collect(1)
        self.assertEqual(len(self.submissions()), 1)

    def test_requeueing_has_a_limit(self):
        self.spec(epochs=LONG, sweep=False, slurm="requeues = 1")
        self.run_it("spec.toml")
        for told in ("is requeued, for the 1. time", "is not requeued again"):
            before = self.epochs()
            self.until(lambda: self.running() and self.epochs() > before + 5, "epochs")
            self.cluster.call("scancel", "--batch", "--signal=USR2", self.running()[0])
            self.until(lambda: told in self.log(), told)

    def test_killed_between_the_intent_and_sbatch(self):
        self.spec(sweep=False)
        self.fake("sbatch", '[ "$1" = --version ] && exec "$REAL" "$@"\nkill -9 $PPID')
        self.run_it("spec.toml", code=-9)
        (self.fakes / "sbatch").unlink()
        self.assertEqual((len(self.submissions()), self.queue()), (1, []))
        self.assertIn("submitted job", self.run_it("spec.toml"))
        self.collect(1)
        self.assertEqual(len(self.submissions()), 2)

    def test_killed_after_sbatch_and_before_the_note_of_the_number(self):
        self.spec(epochs=LONG, sweep=False)
        self.fake("sbatch", '[ "$1" = --version ] && exec "$REAL" "$@"\n"$REAL" "$@"\nkill -9 $PPID')
        self.run_it("spec.toml", code=-9)
        (self.fakes / "sbatch").unlink()
        self.assertEqual(len(self.queue()), 1)
        self.assertNotIn("submitted job", self.run_it("spec.toml"), "it is found again by its name")
        self.collect(1)
        self.assertEqual(len(self.submissions()), 1)

    def test_squeue_fails_for_a_while(self):
        self.spec(epochs=LONG, sweep=False)
        count = self.folder / "count"
        self.fake("squeue", f'echo >> {count}\n[ $(wc -l < {count}) -le 3 ] && {{ echo "no answer" >&2; exit 1; }}\nexec "$REAL" "$@"')
        self.assertIn("1 done", self.run_it("spec.toml", "--wait"))
        self.assertEqual(len(self.submissions()), 1)

    def test_nothing_is_concluded_while_squeue_does_not_answer(self):
        self.spec(epochs=LONG, sweep=False)
        self.run_it("spec.toml")
        self.fake("squeue", 'echo "Socket timed out" >&2; exit 1')
        told = self.run_it("spec.toml", code=1)
        self.assertIn("Socket timed out", told)
        self.assertIn("Socket timed out", self.run_it("status", "results/spec"))
        self.assertEqual(len(self.submissions()), 1)
        (self.fakes / "squeue").unlink()
        self.collect(1)

    def test_sbatch_refuses(self):
        self.spec(sweep=False, slurm='partition = "nowhere"')
        told = self.run_it("spec.toml", code=1)
        self.assertIn("invalid partition", told)
        self.assertIn("nothing was submitted", told)
        self.assertEqual(self.queue(), [])
        self.spec(sweep=False)
        self.run_it("spec.toml")
        self.collect(1)

    def test_without_accounting_a_job_that_is_forgotten_is_no_success(self):
        self.assertNotEqual(subprocess.run(["sacct"], env=self.environment(), capture_output=True).returncode, 0)
        self.spec(epochs=LONG, sweep=False)
        self.run_it("spec.toml")
        self.until(lambda: self.epochs() > 5, "epochs")
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)
        self.until(lambda: not self.queue(), "an empty queue")
        self.fake("squeue", "exit 0")
        self.assertIn("Slurm no longer knows why", self.run_it("spec.toml"))
        (self.fakes / "squeue").unlink()
        self.collect(1)

    def test_two_submitters_at_once(self):
        self.spec(epochs=LONG, sweep=False)
        command = [PROGRAMS / "xdlreg-run", "spec.toml"]
        both = [
            subprocess.Popen(command, cwd=self.folder, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for _ in range(2)
        ]
        for one in both:
            told = one.communicate()[1].decode()
            self.assertTrue(one.returncode == 0 or "another xdlreg-run is working on" in told, told)
        self.assertEqual(len(self.submissions()), 1)
        self.collect(1)

    def test_a_failure_is_told_once_and_then_tried_again(self):
        self.spec(sweep=False)
        bad = ("spec.toml", "--set", "train.learning_rate=1e30")
        self.run_it(*bad)
        self.until(lambda: not self.queue(), "an empty queue")
        told = self.run_it(*bad, code=1)
        self.assertIn("training diverged", told)
        self.assertNotIn("submitted job", told)
        self.assertIn("submitted job", self.run_it(*bad))

    def test_cancel_while_jobs_start(self):
        self.spec(epochs=LONG, slurm="tasks_per_job = 1", seeds=4)
        self.run_it("spec.toml")
        self.assertIn("jobs are cancelled", self.run_it("cancel", "results/spec"))
        self.until(lambda: not self.queue(), "an empty queue")
        time.sleep(3)
        self.assertEqual((self.queue(), self.workers()), ([], []))
        self.run_it("spec.toml")
        self.collect(8)

    def test_a_store_on_which_every_flock_fails(self):
        shim = self.folder / "no_flock.so"
        source = "#include <errno.h>\nint flock(int file, int operation) { errno = ENOLCK; return -1; }\n"
        compiler = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-x", "c", "-o", shim, "-"]
        subprocess.run(compiler, input=source.encode(), check=True)
        self.spec(epochs=LONG, seeds=2)
        # Jobs get the environment of whoever submits them.
        without = {"LD_PRELOAD": str(shim)}
        self.run_it("spec.toml", **without)
        self.until(lambda: self.epochs() > 5, "epochs")
        claims = list((self.folder / "results/.store/claims").glob("*.owner"))
        self.assertTrue(claims, "the shim does not work")
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)
        self.until(lambda: not [line for line in self.queue() if "RUNNING" in line], "no running jobs")
        end = time.monotonic() + 240
        while "report:" not in (told := self.run_it("spec.toml", code=None, **without)) or "wait" in told:
            self.assertLess(time.monotonic(), end, told)
            time.sleep(1)
        self.assertIn("4 done", told)
        self.same_as_local()
        self.assertEqual(list((self.folder / "results/.store/claims").glob("*")), [])

    def test_a_gpu_that_is_not_there_is_told(self):
        self.spec(sweep=False)
        cuda = ("spec.toml", "--set", "run.device=cuda")
        self.run_it(*cuda)
        self.until(lambda: not self.queue(), "an empty queue")
        self.assertIn("cannot compute on cuda", self.run_it(*cuda, code=1))


def main():
    global PROGRAMS
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAMS = Path(sys.argv.pop(1)).resolve()
    cluster.install()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    lost = len(result.failures) + len(result.errors)
    print(f"test-slurm: {result.testsRun - lost} of {result.testsRun} cases passed on a Slurm of two nodes")
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
