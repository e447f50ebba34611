"""A Slurm of two nodes on this machine: Debian's slurm-wlm and munge, on loopback, without systemd.

Everything is started with its files in one folder, and stopped by its process id.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ["slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "munged"]
SBIN = "/usr/sbin:/sbin"


def missing():
    path = os.environ.get("PATH", "") + ":" + SBIN
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


def install():
    """Installs the packages where that is permitted and they are not there."""
    if missing() and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "slurm-wlm", "munge"]):
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    if missing():
        sys.exit(f"test-slurm: no {', '.join(missing())}: install Debian's slurm-wlm and munge; nothing was tested")
    if os.geteuid() != 0:
        sys.exit("test-slurm: its daemons have to be started by root; nothing was tested")


CONFIGURATION = """
ClusterName=xdlreg
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmctldPort=17000
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool/%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdTimeout=20
InactiveLimit=0
KillWait=10
MinJobAge=300
MaxArraySize={array}
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,bf_interval=5
NodeName=d1 NodeHostname={host} NodeAddr=127.0.0.1 Port=17001 CPUs=1
NodeName=d2 NodeHostname={host} NodeAddr=127.0.0.1 Port=17002 CPUs=1
PartitionName=main Nodes=d1,d2 Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    def __init__(self, folder, array=1001):
        self.folder = Path(folder)
        self.processes = {}
        self.environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        self.environment["PATH"] = os.environ.get("PATH", "") + ":" + SBIN
        for part in ("spool/d1", "spool/d2", "state"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        host = socket.gethostname().split(".")[0]
        text = CONFIGURATION.format(host=host, folder=self.folder, array=array)
        (self.folder / "slurm.conf").write_text(text)

    def start(self):
        self.start_munge()
        self.spawn("slurmctld", ["slurmctld", "-D"])
        for node in ("d1", "d2"):
            self.spawn(node, ["slurmd", "-D", "-N", node])
        self.wait_for(lambda: self.call("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2", "two idle nodes", 60)

    def start_munge(self):
        # Munge wants folders that others cannot write, and a key of its own user's.
        folder = self.folder
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.spawn(
            "munged",
            ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
             f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munged.seed", f"--log-file={folder}/munged.log"],
        )  # fmt: skip
        self.wait_for((folder / "munge.socket").exists, "munged", 20)

    def spawn(self, name, command):
        with open(self.folder / f"{name}.out", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self, *names):
        """Stops daemons by their process ids: all that are left, without names."""
        if not names and self.processes:
            subprocess.run(["scancel", "--user=root"], env=self.environment, stderr=subprocess.DEVNULL, check=False)
            time.sleep(1)
        for name in names or ["d1", "d2", "slurmctld", "munged"]:
            process = self.processes.pop(name, None)
            if process is None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def call(self, *command):
        ended = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return ended.stdout

    def wait_for(self, condition, what, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {seconds} s\n{self.call('squeue')}{self.call('sinfo')}")
            time.sleep(0.2)
