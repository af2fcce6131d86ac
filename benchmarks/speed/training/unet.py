"""The denoisers of eidetic-nn in plain PyTorch, with the same names of parameters."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def frequencies(size):
    """Of the sinusoidal embedding, rounded to float32 as the exported network has them."""
    half = size // 2
    series = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    return series.float().to(torch.get_default_dtype())


def embed(level, series):
    phase = level[:, None] * series
    return torch.cat([phase.cos(), phase.sin()], dim=1)


def zero(module):
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def group_norm(channels):
    most = max(1, min(channels // 4, 32))
    groups = next(count for count in range(most, 0, -1) if channels % count == 0)
    return nn.GroupNorm(groups, channels, eps=1e-5)


class Denoiser(nn.Module):
    """D(x; sigma) with EDM's preconditioning; extra channels behind x are not scaled."""

    def __init__(self, shape, classes=0, sigma_data=0.5, extra_channels=0, width=0):
        super().__init__()
        self.shape, self.classes, self.sigma_data = tuple(shape), classes, sigma_data
        self.taken = shape[0] + extra_channels
        self.register_buffer("frequencies", frequencies(width), persistent=False)

    def forward(self, sample, sigma, labels=None):
        channels = self.shape[0]
        sigma = sigma[:, None, None, None]
        total = sigma**2 + self.sigma_data**2
        x, extra = sample[:, :channels], sample[:, channels:]
        level = sigma.flatten().log() / 4
        scaled = torch.cat([x / total.sqrt(), extra], dim=1) if extra.shape[1] else x / total.sqrt()
        made = self.network(scaled, level, labels)
        return x * (self.sigma_data**2 / total) + made * (sigma * self.sigma_data / total.sqrt())

    def loss(self, sample, sigma, target, weight, labels=None):
        """Weighted mean square error of each row; w(sigma) is part of the weight."""
        error = self(sample, sigma, labels) - target
        return (weight * error**2).mean(dim=(1, 2, 3))


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.heads = channels // 64 if channels % 64 == 0 else 1
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x):
        rows, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x)).view(rows, 3 * self.heads, -1, height * width)
        query, key, value = (part.transpose(2, 3) for part in qkv.chunk(3, dim=1))
        mixed = F.scaled_dot_product_attention(query, key, value)
        return x + self.out(mixed.transpose(2, 3).reshape(x.shape))


class Block(nn.Module):
    def __init__(self, before, channels, width, attention):
        super().__init__()
        self.norm1 = group_norm(before)
        self.conv1 = nn.Conv2d(before, channels, 3, padding=1)
        self.embedding = nn.Linear(width, channels)
        self.norm2 = group_norm(channels)
        self.conv2 = zero(nn.Conv2d(channels, channels, 3, padding=1))
        self.skip = nn.Identity() if before == channels else nn.Conv2d(before, channels, 1)
        self.attention = Attention(channels) if attention else nn.Identity()

    def forward(self, x, emb):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.embedding(emb)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return self.attention(self.skip(x) + h)


class UNet(Denoiser):
    def __init__(self, shape, channels, blocks=2, attention=(), **options):
        super().__init__(shape, width=channels[0], **options)
        first, width, self.blocks = channels[0], 4 * channels[0], blocks
        self.embedding = nn.ModuleDict({"0": nn.Linear(first, width), "1": nn.Linear(width, width)})
        if self.classes:
            self.embedding["class"] = nn.Embedding(self.classes + 1, width)
        self.input = nn.Conv2d(self.taken, first, 3, padding=1)

        def level(number, before):
            modules = nn.ModuleDict()
            for block in range(blocks):
                modules[str(block)] = Block(before, channels[number], width, number in attention)
                before = channels[number]
            return modules

        self.down, self.up = nn.ModuleDict(), nn.ModuleDict()
        for number in range(len(channels)):
            above = channels[max(number - 1, 0)]
            self.down[str(number)] = level(number, above)
            if number:
                self.down[str(number)]["resample"] = nn.Conv2d(above, above, 3, 2, padding=1)
        for number in reversed(range(len(channels) - 1)):
            self.up[str(number)] = level(number, channels[number + 1] + channels[number])
        conv = zero(nn.Conv2d(first, self.shape[0], 3, padding=1))
        self.output = nn.ModuleDict({"norm": group_norm(first), "conv": conv})

    def network(self, x, level, labels):
        emb = F.silu(self.embedding["0"](embed(level, self.frequencies)))
        emb = self.embedding["1"](emb)
        if self.classes:
            emb = emb + self.embedding["class"](labels)
        emb = F.silu(emb)
        x = self.input(x)
        across = []
        for level in self.down.values():
            if "resample" in level:
                across.append(x)
                x = level["resample"](x)
            for block in range(self.blocks):
                x = level[str(block)](x, emb)
        for level in self.up.values():
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = torch.cat([x, across.pop()], dim=1)
            for block in range(self.blocks):
                x = level[str(block)](x, emb)
        return self.output["conv"](F.silu(self.output["norm"](x)))


class Mlp(Denoiser):
    def __init__(self, shape, width, depth, **options):
        super().__init__(shape, width=width, **options)
        pixels = math.prod(self.shape[1:])
        self.embedding = nn.ModuleDict({"0": nn.Linear(width, width)})
        if self.classes:
            self.embedding["class"] = nn.Embedding(self.classes + 1, width)
        self.input = nn.Linear(self.taken * pixels, width)
        linear = lambda: nn.Linear(width, width)
        pair = lambda: nn.ModuleList([linear(), linear()])
        self.layers = nn.ModuleList([pair() for _ in range(depth)])
        self.output = zero(nn.Linear(width, self.shape[0] * pixels))

    def network(self, x, level, labels):
        emb = self.embedding["0"](embed(level, self.frequencies))
        if self.classes:
            emb = emb + self.embedding["class"](labels)
        x = self.input(x.flatten(1)) + emb
        for first, second in self.layers:
            x = x + second(F.silu(first(F.silu(x)) + emb))
        return self.output(F.silu(x)).view(-1, *self.shape)
