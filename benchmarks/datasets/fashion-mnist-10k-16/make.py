"""Makes images.npz from ../fashion-mnist-10k: each image at 16 x 16, by Pillow's antialiased
bilinear filter, and the labels as they are. Run with Pillow 13.0.0 and NumPy 2.4.6."""

import gzip
import hashlib
import pathlib
import zipfile

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
there = here.parent / "fashion-mnist-10k"


def idx(name, start):
    return np.frombuffer(gzip.decompress((there / name).read_bytes()), np.uint8, offset=start)


images = idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
labels = idx("t10k-labels-idx1-ubyte.gz", 8)
small = np.stack(
    [np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BILINEAR)) for image in images]
)

# Written by hand, so that the same content gives the same bytes: no time of day.
with zipfile.ZipFile(here / "images.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for name, array in (("images", small), ("labels", labels)):
        entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(entry, "w") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0))

print(hashlib.sha256((here / "images.npz").read_bytes()).hexdigest())
