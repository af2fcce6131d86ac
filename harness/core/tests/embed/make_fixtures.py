"""Writes the reference values that src/embed's tests compare with: Pillow's resizing, and SqueezeNet's
features of Fashion-MNIST by Pillow and onnxruntime.

    pip install "pillow<13" numpy onnxruntime  # versions.json has the versions used
    python make_fixtures.py

Pillow 13 resizes columns before rows where the height shrinks more than the width, which changes some
levels of such images (11 x 17 to 5 x 29 here); every published preprocessing was made before.

Pixels are hex strings, two digits a pixel, channel after channel.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import onnxruntime
import PIL
from PIL import Image

HERE = Path(__file__).parent
BENCHMARKS = HERE / "../../../../benchmarks"
FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
rng = np.random.default_rng(20260607)


def fashion(count):
    with gzip.open(BENCHMARKS / "datasets/fashion-mnist-10k/t10k-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(16 + count * 784)[16:], np.uint8).reshape(count, 28, 28)


def noise(*shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def extreme(*shape):
    return rng.integers(0, 2, shape, dtype=np.uint8) * np.uint8(255)


def resize(planes, size, name):
    """[C, H, W] -> [C, h, w], through one picture of the mode L or RGB."""
    height, width = size
    image = Image.fromarray(planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0).copy())
    resized = np.asarray(image.resize((width, height), Image.Resampling[name.upper()]))
    return resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)


def case(planes, size, keep_rows=None):
    """`keep_rows` leaves out all other rows of a large result, to keep the file small."""
    rows = list(range(size[0])) if keep_rows is None else keep_rows
    results = {name: resize(planes, size, name)[:, rows].tobytes().hex() for name in FILTERS}
    return {
        "from": planes.shape,
        "to": size,
        "rows": rows,
        "pixels": planes.tobytes().hex(),
        "results": results,
    }


def write(name, value):
    (HERE / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


def resizing():
    # As the benchmark's own 16 x 16 images are: smooth, with flat ground.
    small = resize(fashion(1), (16, 16), "bicubic")
    write(
        "resize",
        [
            case(small, (227, 227), [0, 1, 7, 100, 113, 225, 226]),
            case(fashion(2)[1:], (64, 64), [0, 1, 20, 31, 32, 63]),
            case(noise(1, 32, 32), (7, 7)),
            case(extreme(1, 32, 32), (7, 7)),
            case(extreme(1, 9, 9), (31, 31), [0, 3, 16, 30]),
            case(noise(3, 11, 17), (5, 29)),
            case(noise(3, 13, 6), (29, 5)),
            case(extreme(3, 8, 8), (20, 12)),
            case(noise(3, 1, 1), (4, 3)),
            case(noise(1, 6, 5), (1, 1)),
            case(noise(1, 7, 5), (7, 11)),
            case(noise(1, 7, 5), (3, 5)),
            case(noise(1, 4, 4), (4, 4)),
        ],
    )


def squeezenet():
    """All 512 features of 2 images, as the manifest of squeezenet11 says, rounded to 6 digits."""
    session = onnxruntime.InferenceSession(BENCHMARKS / "embedders/squeezenet11/model.onnx")
    mean = np.array([104.006, 116.669, 122.679], np.float32)[:, None, None]

    def features(planes):
        planes = np.concatenate([planes] * 3) if len(planes) == 1 else planes
        blue_first = resize(planes, (227, 227), "bilinear")[::-1].astype(np.float32)
        return session.run(["emb"], {"input": (blue_first - mean)[None]})[0][0]

    grey = [features(image[None]) for image in fashion(3)]
    # Three images as the channels of one: an image in colour, of another aspect.
    colour = fashion(3)[:, :, 4:24]
    write(
        "squeezenet",
        {
            "grey": [[float(f"{x:.6g}") for x in row] for row in grey[:2]],
            "colour": [float(f"{x:.6g}") for x in features(colour)],
        },
    )


resizing()
squeezenet()
versions = {"PIL": PIL, "numpy": np, "onnxruntime": onnxruntime}
write("versions", {name: module.__version__ for name, module in versions.items()})
