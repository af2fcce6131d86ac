"""Seconds of 64 samples of a model folder by Heun's 18 steps, with Python's onnxruntime: all rows in
one batch, the state in float64 as in EDM's own code.

Prints JSON: {samples, seconds, onnxruntime, threads}.
"""

import argparse
import json
import pathlib
import time

import numpy
import onnxruntime


def levels(steps=18, least=0.002, most=80.0, rho=7.0):
    place = numpy.arange(steps) / (steps - 1)
    sigma = (most ** (1 / rho) + place * (least ** (1 / rho) - most ** (1 / rho))) ** rho
    return numpy.append(sigma, 0.0)


def heun(denoise, x):
    sigma = levels()
    x = x * sigma[0]
    for now, then in zip(sigma[:-1], sigma[1:]):
        slope = (x - denoise(x, now)) / now
        euler = x + (then - now) * slope
        if then > 0:
            slope = (slope + (euler - denoise(euler, then)) / then) / 2
        x = x + (then - now) * slope
    return x


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=64)
    given = parser.parse_args()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = given.threads
    session = onnxruntime.InferenceSession(
        given.folder / "unet" / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    shape = next(port.shape for port in session.get_inputs() if port.name == "sample")

    def denoise(x, sigma):
        feed = {"sample": x.astype(numpy.float32), "sigma": numpy.full(len(x), sigma, numpy.float32)}
        return session.run(["out_sample"], feed)[0].astype(numpy.float64)

    seconds = []
    for seed in range(given.rounds + 1):
        noise = numpy.random.default_rng(seed).standard_normal([given.rows, *shape[1:]])
        start = time.perf_counter()
        heun(denoise, noise)
        seconds.append(time.perf_counter() - start)
    print(
        json.dumps(
            {
                "samples": given.rows,
                "seconds": seconds[1:],
                "onnxruntime": onnxruntime.__version__,
                "threads": given.threads,
            }
        )
    )


if __name__ == "__main__":
    main()
