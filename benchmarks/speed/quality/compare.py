"""The Frechet distance beside torch-fidelity's, in turns on the same features and threads.

    python compare.py PROGRAM [--rows 50000] [--dim 2048] [--threads 2] [--rounds 3]

PROGRAM is the example `frechet` of eidetic-metrics in release. Features are made from a seed: mixed
normal noise whose spread falls over three orders, cut at 0 as those behind a ReLU. Every round runs
torch-fidelity's two functions on arrays in memory, each time in a new process, then the program.
Needs numpy, torch and torch-fidelity. Prints the table of README.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

THEIRS = "--theirs"


def make(folder, rows, dim):
    import numpy as np

    rng = np.random.default_rng(0)
    mix = rng.normal(size=(dim, dim)) * np.exp(-7 * np.arange(dim) / dim)[:, None]
    mix = (mix / np.sqrt(dim)).astype(np.float32)
    files = []
    for name, shift in (("generated", 0.1), ("reference", 0.0)):
        values = rng.normal(size=(rows, dim)).astype(np.float32) @ mix + np.float32(shift)
        files.append(Path(folder, f"{name}.f32"))
        values.clip(0).astype("<f4").tofile(files[-1])
    return files


def theirs(files, dim):
    import numpy as np
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    sets = [torch.from_numpy(np.fromfile(file, "<f4").reshape(-1, dim)) for file in files]
    seconds, statistics_of = [], []
    for features in sets:
        started = time.perf_counter()
        statistics_of.append(fid_features_to_statistics(features))
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    of = fid_statistics_to_metric(*statistics_of, False)["frechet_inception_distance"]
    run = {"frechet": of, "moments_s": seconds, "frechet_s": time.perf_counter() - started}
    # It takes means in the features' float32; the distance had it taken them in float64, not timed.
    apart = np.subtract(*(of["mu"] for of in statistics_of))
    exact = np.subtract(*(features.numpy().mean(0, dtype=np.float64) for features in sets))
    print(json.dumps(run | {"float64_means": float(of - apart @ apart + exact @ exact)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = os.environ | {name: str(arguments.threads) for name in names}
    model = next((line for line in open("/proc/cpuinfo") if line.startswith("model name")), ":").split(":")[1].strip()
    print(f"{model or platform.processor()}, {os.cpu_count()} cores, {arguments.threads} threads each")
    print(", ".join(f"{name} {version(name)}" for name in ("torch-fidelity", "numpy", "torch")))
    runs = {"here": [], "torch-fidelity": []}
    with tempfile.TemporaryDirectory() as folder:
        files = [str(file) for file in make(folder, arguments.rows, arguments.dim)]
        ways = {
            "torch-fidelity": [sys.executable, __file__, THEIRS, *files, str(arguments.dim)],
            "here": [str(arguments.program), *files, str(arguments.dim)],
        }
        for _ in range(arguments.rounds):
            for name, command in ways.items():
                print(f"{name}, load before it {os.getloadavg()[0]:.1f}", end="", flush=True)
                done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
                runs[name].append(json.loads(done.stdout))
                print(f": {done.stdout.strip()}", flush=True)
    parts = {
        "moments of one set": lambda run: sum(run["moments_s"]) / 2,
        "distance of two moments": lambda run: run["frechet_s"],
        "one set and the distance": lambda run: sum(run["moments_s"]) / 2 + run["frechet_s"],
    }
    print(f"\n{arguments.rows:,} x {arguments.dim:,}\n\n| what | here | torch-fidelity | times its time |\n| --- | --- | --- | --- |")
    for part, seconds in parts.items():
        ours, other = (statistics.median(map(seconds, runs[name])) for name in ("here", "torch-fidelity"))
        print(f"| {part} | {ours:.2f} s | {other:.2f} s | {ours / other:.2f} |")
    ours, other = (runs[name][0] for name in ("here", "torch-fidelity"))
    print(f"\nhere {ours['frechet']!r}")
    for name, value in (("torch-fidelity", other["frechet"]), ("with means in float64", other["float64_means"])):
        print(f"{name} {value!r}, relative difference {abs(ours['frechet'] - value) / value:.1e}")
    print(f"peak resident memory here {runs['here'][0]['peak_bytes'] / 1e6:.0f} MB, features in it included")


if __name__ == "__main__":
    if sys.argv[1:2] == [THEIRS]:
        theirs(sys.argv[2:4], int(sys.argv[4]))
    else:
        main()
