"""Kernels of finite networks against those of their limits, layer by layer.

For each kind of layer, the NNGP kernel and the tangent kernel averaged over draws of a network of
width 512, and the entry that is furthest from the closed form, in standard errors; 4 is the bar.
A finite network's mean differs from the limit by a term of order 1/width, which at this width is
below the standard error of a hundred draws, and shows with more. Right entries exceed 4 with
probability 6e-5 each, one of the 174 here with one of 0.01.

Attention with scores over √d needs many heads, and has the limit's mean at any key width: 512
heads of width 4. With scores over d it needs wide keys and one head is enough: 4 heads of width
512.
"""

import argparse
import time

import jax
import numpy as np

import bnnpost
import bnnpost.networks as nn
from bnnpost.networks import Layer

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(3, 5))
SEQUENCES = RNG.normal(size=(2, 4, 5))
IMAGES = RNG.normal(size=(2, 4, 4, 2))
KEY = jax.random.key(0)


def linear(width: int) -> nn.Dense:
    """Of standard deviations that keep kernels near 1."""
    return nn.Dense(width, w_std=1.3, b_std=0.3)


def rectified(width: int) -> list[Layer]:
    """An activation and the linear layer after it: a branch."""
    return [nn.Activation("relu"), nn.Dense(width, w_std=1.2, b_std=0.2)]


def of_rows(width: int) -> dict[str, list[Layer]]:
    """Networks for inputs [point, feature]; each ends before its readout."""
    branches = [rectified(width), [nn.Activation("sin"), nn.Dense(width, w_std=0.7)]]
    return {
        "Dense, erf twice": [linear(width), nn.Activation("erf")] * 2,
        "Residual": [linear(width), nn.Residual(rectified(width)), nn.Activation("relu")],
        "FanInSum": [linear(width), nn.FanInSum(branches), nn.Activation("erf")],
        "LayerNorm": [linear(width), nn.LayerNorm(), nn.Activation("relu")],
        "LayerNorm, residual": [
            linear(width),
            nn.Residual([nn.LayerNorm(0.01), *rectified(width)]),
            nn.LayerNorm(),
            nn.Activation("gelu"),
        ],
    }


def of_images(width: int) -> dict[str, list[Layer]]:
    """Networks for inputs [point, position, position, channel]."""

    def conv(shape: list[int], **options: object) -> list[Layer]:
        layer = nn.Conv(width, shape, w_std=1.4, b_std=0.2, **options)  # type: ignore[arg-type]
        return [layer, nn.Activation("relu")]

    return {
        "Conv SAME, GlobalAvgPool": [*conv([3, 3]), *conv([2, 2]), nn.GlobalAvgPool()],
        "Conv VALID, Flatten": [*conv([3, 2], padding="VALID"), *conv([2, 2]), nn.Flatten()],
        "Conv CIRCULAR, GlobalSumPool": [
            *conv([2, 3], padding="CIRCULAR"),
            *conv([3, 3], padding="CIRCULAR"),
            nn.GlobalSumPool(),
        ],
        "Conv in strides, AvgPool": [
            *conv([3, 3], strides=[2, 1]),
            nn.AvgPool([2, 2], padding="SAME"),
            *conv([2, 1]),
            nn.Flatten(),
        ],
        "Reshape": [nn.Reshape([2, 8, 2]), *conv([2, 3]), nn.Flatten()],
    }


def of_sequences(width: int) -> dict[str, list[Layer]]:
    """Networks for inputs [point, position, channel]: attention."""

    def attention(mechanism: str, scaling: str = "linear", **options: object) -> nn.SelfAttention:
        # None: as many heads as the network is wide.
        heads, narrow = (4, width) if scaling == "linear" else (None, 4)
        return nn.SelfAttention(
            width, heads=heads, key_width=narrow, value_width=narrow, mechanism=mechanism,
            scaling=scaling, key_std=1.1, query_std=0.9, value_std=1.2, out_std=1.05, b_std=0.2,
            **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def network(*layers: Layer) -> list[Layer]:
        # Scores of either sign, which ReLU and absolute value tell apart.
        return [linear(width), nn.Activation("erf"), *layers, nn.Activation("relu"), nn.Flatten()]

    encodings = {
        "encodings added": nn.PositionEncoding("SUM", 0.8),
        "encodings added, to scores": nn.PositionEncoding("SUM", 0.8, in_values=False),
        "encodings appended": nn.PositionEncoding("CONCAT", 0.8),
        "encodings appended, alike": nn.PositionEncoding("CONCAT", 0.8, decay=0.3),
    }
    found = {
        f"attention {name} over {divisor}": network(attention(name, scaling))
        for name, scaling, divisor in (
            ("softmax", "linear", "d"),
            ("relu", "linear", "d"),
            ("abs", "linear", "d"),
            ("identity", "linear", "d"),
            ("identity", "sqrt", "√d"),
        )
    }
    for name, encoding in encodings.items():
        mixed = attention("softmax", positions=encoding)
        found[f"attention softmax over d, {name}"] = network(mixed)
        mixed = attention("identity", "sqrt", positions=encoding)
        found[f"attention identity over √d, {name}"] = network(mixed)
    block = [nn.Residual([nn.LayerNorm(), attention("softmax")])]
    block += [nn.Residual([nn.LayerNorm(), linear(width), nn.Activation("gelu"), linear(width)])]
    return found | {"transformer block": [linear(width), *block, nn.LayerNorm(), nn.Flatten()]}


def worst(kind: str, layers: list[Layer], x: np.ndarray, width: int, num_draws: int) -> float:
    """The largest deviation from the limit, in standard errors."""
    empirical = {"nngp": bnnpost.empirical_nngp, "ntk": bnnpost.empirical_ntk}[kind]
    closed_form = {"nngp": bnnpost.nngp, "ntk": bnnpost.ntk}[kind]
    # Outputs are cheap in a forward pass; each costs the tangent kernel a backward one.
    num_outputs = width if kind == "nngp" else 1
    network = nn.Serial([*layers, nn.Dense(num_outputs, w_std=1.1, b_std=0.1)])
    found = empirical(KEY, network, x, num_draws=num_draws)
    with jax.enable_x64(True):
        expected = np.asarray(closed_form(network, x))
    return float(np.max(np.abs(found.mean - expected) / found.standard_error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    given = parser.parse_args()
    print(f"width {given.width}, {given.draws} draws, on {jax.devices()[0].device_kind}")
    print(f"{'worst deviation in standard errors':50}{'NNGP':>8}{'NTK':>8}{'s':>8}")
    for x, make in ((ROWS, of_rows), (IMAGES, of_images), (SEQUENCES, of_sequences)):
        for name, layers in make(given.width).items():
            if given.only not in name:
                continue
            start = time.perf_counter()
            nngp, ntk = (
                worst(kind, layers, x, given.width, given.draws) for kind in ("nngp", "ntk")
            )
            print(
                f"{name:50}{nngp:8.2f}{ntk:8.2f}{time.perf_counter() - start:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
