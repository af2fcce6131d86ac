"""Nearest neighbours beside faiss-cpu's IndexFlatL2, in turns on the same images and threads.

    python compare.py PROGRAM ARCHIVE [--threads 2] [--rounds 3] [--growth | --noise]

PROGRAM is the example `neighbours` of eidetic-metrics in release, ARCHIVE a tar of 32 x 32 RGB images in
folders train/ and test/. Queries: half near copies of training images (a shift of level and noise), half
unseen images. Every round runs faiss, then the program; both must find the same distances. Needs
faiss-cpu, numpy and Pillow. Prints the table of README.md.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np

DIM = 3072
KS = (1, 2, 50)


def images(archive):
    from PIL import Image

    sets = {"train": [], "test": []}
    with tarfile.open(archive) as tar:
        for member in tar:
            part = next((part for part in sets if f"/{part}/" in member.name), None)
            if part and member.name.endswith((".jpg", ".png")):
                image = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")
                # Channels first, as the harness has them.
                sets[part].append((member.name, np.asarray(image).transpose(2, 0, 1).reshape(-1)))
    return [np.stack([pixels for _, pixels in sorted(sets[part], key=lambda of: of[0])]) for part in ("train", "test")]


def make_queries(train, test, count, rng):
    half = count // 2
    rows = rng.permutation(len(train))[:half]
    noise = rng.integers(-3, 4, (half, DIM)) + rng.integers(-4, 5, (half, 1))
    queries = np.empty((2 * half, DIM), np.uint8)
    queries[0::2] = np.clip(train[rows].astype(np.int16) + noise, 0, 255)
    queries[1::2] = test[rng.permutation(len(test))[:half]]
    return queries


def squared(train, queries, indices):
    """Exact squared distances [queries, k], in blocks."""
    out = np.empty(indices.shape, np.int64)
    for i, (query, row) in enumerate(zip(queries, indices)):
        difference = train[row].astype(np.int32) - query.astype(np.int32)
        out[i] = (difference * difference).sum(1)
    return out


def run(program, folder, train, queries, ks, threads, way=()):
    paths = [folder / "train.raw", folder / "queries.raw", folder / "out"]
    train.tofile(paths[0])
    queries.tofile(paths[1])
    command = [program, paths[0], paths[1], str(DIM), paths[2], *way, *map(str, ks)]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    lines = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    lines = [json.loads(line) for line in lines.splitlines()]
    found = {k: np.fromfile(f"{paths[2]}.{k}", "<u4").reshape(-1, k).astype(np.int64) for k in ks}
    return lines[0], {line["k"]: line for line in lines[1:]}, found


def compare(arguments, train, test, folder):
    import faiss

    faiss.omp_set_num_threads(arguments.threads)
    queries = make_queries(train, test, arguments.queries, np.random.default_rng(0))
    flat = faiss.IndexFlatL2(DIM)
    flat.add(train.astype(np.float32))
    floats = queries.astype(np.float32)
    theirs, ours, prepare = {k: [] for k in KS}, {k: [] for k in KS}, []
    for round_ in range(arguments.rounds):
        for k in KS:
            started = time.perf_counter()
            _, indices = flat.search(floats, k)
            theirs[k].append(time.perf_counter() - started)
            print(f"round {round_}: faiss k={k} {theirs[k][-1]:.2f} s", file=sys.stderr)
            if round_ == 0:
                np.save(folder / f"faiss.{k}.npy", indices)
        first, searches, found = run(arguments.program, folder, train, queries, KS, arguments.threads)
        prepare.append(first["prepare_s"])
        for k in KS:
            ours[k].append(searches[k]["search_s"])
            print(f"round {round_}: here k={k} {ours[k][-1]:.2f} s", file=sys.stderr)
    check(train, queries, found, folder)
    data, results = train.nbytes + queries.nbytes, 12 * len(queries) * KS[-1]
    held = searches[KS[-1]]["peak_bytes"] - first["read_bytes"] - results
    print(f"\n{len(queries)} queries, {len(train)} images, {arguments.threads} threads, {arguments.rounds} rounds\n")
    print("| what | here | faiss | ratio |\n| --- | --- | --- | --- |")
    for k in KS:
        a, b = statistics.median(ours[k]), statistics.median(theirs[k])
        print(f"| k = {k}, median | {a:.2f} s | {b:.2f} s | {b / a:.1f} |")
    for k in KS:
        print(f"| k = {k}, minimum | {min(ours[k]):.2f} s | {min(theirs[k]):.2f} s | {min(theirs[k]) / min(ours[k]):.1f} |")
    print(f"| preparation, once | {statistics.median(prepare):.2f} s | | |")
    print(f"| memory beside the {data / 1e6:.0f} MB of pixels and the results | {held / 1e6:.1f} MB | {4 * train.size / 1e6:.0f} MB | |")
    print(f"\nall held, over the pixels: {1 + held / data:.3f}; over those of the training images alone: {1 + held / train.nbytes:.3f}")


def check(train, queries, found, folder):
    """Both must find the same distances; where they do, ties go to the lower index here."""
    for k in KS:
        theirs = np.load(folder / f"faiss.{k}.npy")
        a, b = squared(train, queries, found[k]), squared(train, queries, theirs)
        # faiss ranks by float32, which confuses the nearly equal: ours must never be further.
        if (a > np.sort(b, 1)).any() or (np.diff(a, axis=1) < 0).any():
            sys.exit(f"k = {k}: further than what faiss found")
        tied = (np.diff(a, axis=1) == 0) & (np.diff(found[k], axis=1) <= 0)
        if tied.any():
            sys.exit(f"k = {k}: equal distances not by index")
        same = (found[k] == theirs).mean()
        print(f"k = {k}: no distance above faiss's, {100 * same:.3f} % the same index", file=sys.stderr)


def growth(arguments, train, test, folder):
    queries = make_queries(train, test, 1000, np.random.default_rng(0))
    print("\n| images | preparation | k = 2 | k = 50 | index | peak beside pixels |\n| --- | --- | --- | --- | --- | --- |")
    for count in (1000, 2000, 5000, 10_000, 20_000, 50_000):
        part = train[np.random.default_rng(1).permutation(len(train))[:count]]
        runs = [run(arguments.program, folder, part, queries, (2, 50), arguments.threads) for _ in range(arguments.rounds)]
        of = lambda value: statistics.median(value(first, searches) for first, searches, _ in runs)
        held = of(lambda first, searches: searches[50]["peak_bytes"] - first["read_bytes"])
        print(
            f"| {count:,} | {of(lambda first, _: first['prepare_s']):.2f} s "
            f"| {1000 * of(lambda _, searches: searches[2]['search_s']):.0f} ms "
            f"| {1000 * of(lambda _, searches: searches[50]['search_s']):.0f} ms "
            f"| {runs[0][0]['index_bytes'] / 1e6:.1f} MB | {held / 1e6:.1f} MB |"
        )


def noise(arguments, folder):
    """White noise, which nothing prunes, beside brute force; and natural images by brute force."""
    rng = np.random.default_rng(2)
    train = rng.integers(0, 256, (20_000, DIM), np.uint8)
    queries = rng.integers(0, 256, (1000, DIM), np.uint8)
    times = {(): [], ("brute",): []}
    for _ in range(arguments.rounds):
        for way, seconds in times.items():
            _, searches, _ = run(arguments.program, folder, train, queries, (2,), arguments.threads, way)
            seconds.append(searches[2]["search_s"])
    ours, brute = (statistics.median(seconds) for seconds in times.values())
    print(f"\n1,000 queries of white noise against 20,000, k = 2: {ours:.3f} s, brute force {brute:.3f} s, ratio {ours / brute:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--growth", action="store_true", help="only the growth from 1,000 to 50,000 images")
    parser.add_argument("--noise", action="store_true", help="only white noise, beside brute force")
    arguments = parser.parse_args()
    model = next((line for line in open("/proc/cpuinfo") if line.startswith("model name")), ":").split(":")[1].strip()
    print(f"{model or platform.processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        if arguments.noise:
            return noise(arguments, Path(folder))
        measure = growth if arguments.growth else compare
        measure(arguments, *images(arguments.archive), Path(folder))


if __name__ == "__main__":
    main()
