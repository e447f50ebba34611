"""The works that are measured: each a function of the programs and the number of rounds, for some rows of the table."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import Callable, Iterator

from programs import SPECS, Programs
from table import Row

TRAINING_IMAGES = 1600  # of 2,000
TRAINING_ALONE = ["evaluate.scores=[]", "heatmaps.count=0"]


def turns(rounds: int, sides: dict[object, Callable[[], float | None]]) -> dict[object, list[float]]:
    """Each side's figures; in every round each side has its turn. Empty where a side is not there."""
    seen: dict[object, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, measure in sides.items():
            value = measure()
            if value is not None:
                seen[side].append(value)
    return seen


def highest(rounds: int, sides: dict[object, Callable[[], float | None]]) -> dict[object, float | None]:
    return {side: max(rates, default=None) for side, rates in turns(rounds, sides).items()}


def slope(seconds: dict[int, float]) -> float:
    """What each second brings beyond the few, so that starting a program does not count."""
    (few, short), (many, long) = sorted(seconds.items())
    return (many - few) / (long - short)


def simulate(programs: Programs, n: int) -> Path:
    """A data set of n pumpkins, made if it is not there yet."""
    images = programs.scratch / f"set{n}.npz"
    if not images.exists():
        programs.run("simulate", "--n", n, "--out", images)
    return images


def network(programs: Programs) -> Path:
    """A network that has learnt something: what its LRP costs us depends on that."""
    weights = programs.scratch / "network.safetensors"
    if not weights.exists():
        spec = SPECS / "single.toml"
        programs.experiment(spec, "train.epochs=6", *TRAINING_ALONE)
        shutil.copy(next((programs.results(spec) / spec.stem / "models").glob("*.safetensors")), weights)
    return weights


def explain(programs: Programs, n: int, cores: int = 2) -> float:
    """Seconds of explaining n pumpkins by preset a; the maps stay beside the images."""
    return programs.run(*explain_arguments(programs, n), cores=cores)


def explain_arguments(programs: Programs, n: int) -> list:
    maps = programs.scratch / f"maps{n}.npy"
    files = ["--weights", network(programs), "--images", simulate(programs, n), "--out", maps]
    return ["explain", "--analyzer", "lrp.sequential_preset_a", *files]


def simulation(programs: Programs, rounds: int) -> Iterator[Row]:
    def seconds(n: int) -> float:
        return programs.run("simulate", "--n", n, "--out", programs.scratch / "pumpkins.npz")

    took = turns(rounds, {n: lambda n=n: seconds(n) for n in (500, 8500)})
    ours = slope({n: min(all_rounds) for n, all_rounds in took.items()})
    peers = {"XDLreg (published, not run here)": 2.5}
    yield Row("human pumpkins into a file, 2 cores", ours, "/s", peers, goal="30,000 /s")


def training(programs: Programs, rounds: int) -> Iterator[Row]:
    images = simulate(programs, TRAINING_IMAGES)

    def one(batch: int, threads: int) -> float:
        """Images a second of the best epoch, its validation included."""
        settings = ["train.epochs=4", f"train.batch_size={batch}", f"run.threads_per_worker={threads}"]
        _, events = programs.experiment(SPECS / "single.toml", *settings, *TRAINING_ALONE, cores=threads)
        return max(TRAINING_IMAGES / event["epoch_seconds"] for event in events if event["event"] == "epoch_finished")

    def four(batch: int) -> float:
        """Images a second of four trainings on two workers, from the start of the first to the end of the last."""
        _, events = programs.experiment(SPECS / "training.toml", f"train.batch_size={batch}")
        epochs = sum(event["event"] == "epoch_finished" for event in events)
        times = [time_of(event) for event in events if event.get("stage") == "train"]
        return epochs * TRAINING_IMAGES / (max(times) - min(times)).total_seconds()

    def torch(batch: int, threads: int, processes: int = 1) -> float | None:
        command = programs.peer("torch", "train.py", images, "--batch", batch, "--threads", threads)
        return programs.rate(command, cores=threads, processes=processes)

    eager = programs.version("torch", "torch", "PyTorch eager")
    for batch, goal in (4, 5), (32, 3):
        sides = {
            "sweep": lambda: four(batch),
            "eager, 2 threads": lambda: torch(batch, threads=2),
            "2 threads": lambda: one(batch, threads=2),
            "eager, 2 processes": lambda: torch(batch, threads=1, processes=2),
            "1 thread": lambda: one(batch, threads=1),
            "eager, 1 thread": lambda: torch(batch, threads=1),
        }
        rates = highest(rounds, sides)
        peers = {f"{eager}, 2 threads": rates["eager, 2 threads"], "2 processes": rates["eager, 2 processes"]}
        title, goal = f"training, sweep on 2 cores, batch {batch}", f"{goal}x 2 threads"
        yield Row(title, rates["sweep"], "images/s", peers, goal=goal)
        for threads in "1 thread", "2 threads":
            peers = {eager: rates[f"eager, {threads}"]}
            yield Row(f"training, one run, {threads}, batch {batch}", rates[threads], "images/s", peers)


def networks(programs: Programs, rounds: int) -> Iterator[Row]:
    """Networks that run on libtorch on both sides."""
    eager = programs.version("torch", "torch", "PyTorch eager")
    for name, count in ("layers", 800), ("resnet18", 160):
        folder = programs.scratch / f"images-{name}"
        folder.mkdir(exist_ok=True)
        if programs.seconds(programs.peer("torch", "networks.py", name, count, "--write", folder)) is None:
            continue

        def ours(threads: int) -> float:
            settings = [f"data.table={folder / 'table.csv'}", f"run.threads_per_worker={threads}"]
            _, events = programs.experiment(SPECS / f"{name}.toml", *settings, cores=threads)
            best = min(event["epoch_seconds"] for event in events if event["event"] == "epoch_finished")
            return int(count * 0.9) / best

        def theirs(threads: int) -> float | None:
            command = programs.peer("torch", "networks.py", name, count, "--threads", threads)
            return programs.rate(command, cores=threads)

        sides = {}
        for threads in 1, 2:
            sides[threads] = lambda threads=threads: ours(threads)
            sides[f"eager {threads}"] = lambda threads=threads: theirs(threads)
        rates = highest(rounds, sides)
        for threads in 1, 2:
            title = f"training {name}, 3 x 64 x 64, batch 32, {threads} thread{'s' if threads > 1 else ''}"
            yield Row(title, rates[threads], "images/s", {eager: rates[f"eager {threads}"]}, goal="1.0x")


def time_of(event: dict) -> datetime.datetime:
    return datetime.datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%fZ")


def lrp(programs: Programs, rounds: int) -> Iterator[Row]:
    few, many = 400, 2400
    given = [network(programs), simulate(programs, few)]
    simulate(programs, many)
    innvestigate = programs.peer("keras", "lrp.py", "innvestigate", *given, "--maps", 256)
    zennit = programs.peer("torch", "lrp.py", "zennit", *given, "--maps", 64)
    for cores, title, goal in (1, "LRP preset a, 1 core", ""), (2, "LRP preset a, 2 cores", "8x iNNvestigate"):

        def peer(command: list | None) -> float | None:
            return programs.rate(command and [*command, "--threads", cores], cores=cores)

        sides = {
            few: lambda: explain(programs, few, cores),
            "innvestigate": lambda: peer(innvestigate),
            many: lambda: explain(programs, many, cores),
            "zennit": lambda: peer(zennit),
        }
        seen = turns(rounds, sides)
        seconds = {n: min(seen[n]) for n in (few, many)}
        peers = {
            programs.version("keras", "innvestigate", "iNNvestigate"): max(seen["innvestigate"], default=None),
            programs.version("torch", "zennit", "Zennit"): max(seen["zennit"], default=None),
        }
        yield Row(title, slope(seconds), "maps/s", peers, goal=goal)
        yield Row(f"{title}: {many:,} with files and start", many / seconds[many], "maps/s")


def heatmaps(programs: Programs, rounds: int) -> Iterator[Row]:
    few, many = 20, 220
    for n in few, many:
        explain(programs, n)

    def seconds(n: int) -> float:
        given = ["--images", simulate(programs, n), "--maps", programs.scratch / f"maps{n}.npy"]
        return programs.run("render", *given, "--out", programs.scratch / f"pictures{n}")

    peer = programs.peer("torch", "heatmaps.py", simulate(programs, few), programs.scratch / f"maps{few}.npy")
    plain = peer and [*peer, "--plain"]
    sides = {
        few: lambda: seconds(few),
        "pointers": lambda: programs.rate(peer, processes=2),
        many: lambda: seconds(many),
        "plain": lambda: programs.rate(plain, processes=2),
    }
    seen = turns(rounds, sides)
    name = f"{programs.version('torch', 'matplotlib', 'matplotlib')}, 2 processes"
    # Either side draws each map twice, plain and with pointers.
    both = [max(seen[side], default=None) for side in ("pointers", "plain")]
    theirs = None if None in both else 2 / sum(1 / rate for rate in both)
    ours = 2 * slope({n: min(seen[n]) for n in (few, many)})
    yield Row("heatmaps, every other with pointers, 2 cores", ours, "/s", {name: theirs}, goal="100x")


def sweep(programs: Programs, _rounds: int) -> Iterator[Row]:
    """Once: it is long enough."""
    images = simulate(programs, 2000)
    ours, _ = programs.experiment(SPECS / "sweep.toml")
    peer = programs.seconds(programs.peer("torch", "sweep.py", images, programs.scratch / "peer-sweep"))
    peers = {"joblib, PyTorch, Zennit, matplotlib": peer}
    yield Row("sweep of 12 runs, 2 cores", ours, "s", peers, less_is_better=True, goal="15x")
    few_scores, _ = programs.experiment(SPECS / "sweep.toml", "evaluate.scores=[]")
    yield Row("the same, no score that asks the network", few_scores, "s", peers, less_is_better=True)


def memory(programs: Programs, _rounds: int) -> Iterator[Row]:
    for n in 500, 20000:
        peak = programs.peak_memory([programs.program, *explain_arguments(programs, n)])
        yield Row(f"peak memory of explaining {n:,} images", peak, "MiB")
    output = programs.scratch / "memory"
    ours = programs.peak_memory([programs.program, SPECS / "single.toml", "--output", output, "--quiet"])
    images = simulate(programs, 2000)
    once = ["--seeds", 1, "--composites", 1, "--jobs", 1]
    peer = programs.peak_memory(programs.peer("torch", "sweep.py", images, programs.scratch / "peer-run", *once))
    peers = {"PyTorch, Zennit, matplotlib": peer}
    yield Row("peak memory of a run of 2,000 images", ours, "MiB", peers, less_is_better=True, goal="half")


def plan(programs: Programs, rounds: int) -> Iterator[Row]:
    arguments = ["plan", SPECS / "plan.toml", "--output", programs.scratch / "plan"]
    seen = turns(rounds, {"plan": lambda: programs.run(*arguments)})
    yield Row("plan of 10,000 cells", min(seen["plan"]), "s", goal="< 1 s")


def cached(programs: Programs, rounds: int) -> Iterator[Row]:
    spec, cells = SPECS / "cached.toml", 500
    programs.experiment(spec)
    arguments = [spec, "--output", programs.results(spec), "--quiet"]
    seen = turns(rounds, {"again": lambda: programs.run(*arguments)})
    yield Row(f"a cached cell, of {cells}", min(seen["again"]) / cells * 1000, "ms", goal="< 2 ms")


def start(programs: Programs, rounds: int) -> Iterator[Row]:
    python = programs.pythons["torch"]
    hydra = python and [python, "-c", "import hydra"]
    seen = turns(5 * rounds, {"ours": lambda: programs.run("--help"), "peer": lambda: programs.seconds(hydra)})
    hydra_ms = [seconds * 1000 for seconds in seen["peer"]]
    peers = {f"import of {programs.version('torch', 'hydra-core', 'hydra')}": min(hydra_ms, default=None)}
    yield Row("xdlreg-run --help", min(seen["ours"]) * 1000, "ms", peers, less_is_better=True, goal="< 10 ms")


WORKS: dict[str, Callable[[Programs, int], Iterator[Row]]] = {
    work.__name__: work for work in (simulation, training, networks, lrp, heatmaps, sweep, memory, plan, cached, start)
}
