"""Runs each pair side by side, in turns, and prints the table of ../README.md: a training step of
the U-Net here and in PyTorch; 64 samples of a model folder here and by Python's onnxruntime.

    cargo build --release -p eidetic-speed --examples
    python benchmarks/speed/training/compare.py target/release/examples MODEL_FOLDER
"""

import json
import pathlib
import statistics
import subprocess
import sys

ROUNDS = 5
here = pathlib.Path(__file__).parent


def run(*command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def turns(name, ours, theirs, key):
    """All figures of both, taken in turns."""
    figures = {"ours": [], "theirs": []}
    peaks = {"ours": 0, "theirs": 0}
    for _ in range(ROUNDS):
        for who, command in (("theirs", theirs), ("ours", ours)):
            said = run(*command)
            figures[who] += said[key]
            peaks[who] = max(peaks[who], said.get("peak_rss_bytes", 0))
    low = {who: min(times) for who, times in figures.items()}
    middle = {who: statistics.median(times) for who, times in figures.items()}
    print(f"{name}: minimum {low['ours']:.3f} against {low['theirs']:.3f} s, "
          f"ratio {low['ours'] / low['theirs']:.2f}; "
          f"median {middle['ours']:.3f} against {middle['theirs']:.3f} s, "
          f"ratio {middle['ours'] / middle['theirs']:.2f} ({len(figures['ours'])} each)")
    if peaks["ours"]:
        print(f"  peak memory {peaks['ours'] / 1e6:.0f} against {peaks['theirs'] / 1e6:.0f} MB")


def main():
    programs, folder = pathlib.Path(sys.argv[1]), sys.argv[2]
    python = sys.executable
    turns("training step",
          [programs / "training-step", "2", "10", "2"],
          [python, here / "torch_step.py", "--warm-up", "2", "--steps", "10"],
          "seconds_per_step")
    turns("64 samples",
          [programs / "sampling", folder, "5", "2"],
          [python, here / "onnxruntime_sampling.py", folder, "--rounds", "5"],
          "seconds")


if __name__ == "__main__":
    main()
