"""Seconds of a training step of the U-Net in PyTorch (float32, eager): forward, backward, Adam.

Prints JSON: {parameters, losses, seconds_per_step, imported_rss_bytes, peak_rss_bytes, torch,
threads}. Memory is the peak of the whole process: after the imports, and at the end.
"""

import argparse
import json
import resource
import time

import numpy
import torch

from unet import UNet


def load(path):
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    with numpy.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def peak_rss_bytes():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    imported_rss_bytes = peak_rss_bytes()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", default="32,64,128")
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--attention", default="2", help="levels, with commas; empty for none")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--shape", default="1,28,28")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weights", help=".safetensors or .npz; PyTorch's defaults without")
    given = parser.parse_args()
    numbers = lambda text: [int(each) for each in text.split(",") if each]

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    shape = numbers(given.shape)
    network = UNet(shape, numbers(given.channels), given.blocks, numbers(given.attention))
    if given.weights:
        network.load_state_dict(load(given.weights))
    optimiser = torch.optim.Adam(network.parameters(), lr=given.learning_rate)

    image = torch.rand(given.batch, *shape) * 2 - 1
    sigma = torch.exp(1.2 * torch.randn(given.batch) - 1.2)
    column = sigma[:, None, None, None]
    sample = image + column * torch.randn_like(image)
    data = network.sigma_data
    weight = ((column**2 + data**2) / (column * data) ** 2).expand_as(image).contiguous()

    losses, seconds = [], []
    for _ in range(given.warm_up + given.steps):
        start = time.perf_counter()
        optimiser.zero_grad()
        loss = network.loss(sample, sigma, image, weight).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)

    print(
        json.dumps(
            {
                "parameters": sum(each.numel() for each in network.parameters()),
                "losses": losses,
                "seconds_per_step": seconds[given.warm_up :],
                "imported_rss_bytes": imported_rss_bytes,
                "peak_rss_bytes": peak_rss_bytes(),
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
            }
        )
    )


if __name__ == "__main__":
    main()
