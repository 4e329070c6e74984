"""What differs between two runs of a notebook that ought to be the same up to rounding."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from nbformat import NotebookNode
from PIL import Image

from tests.notebooks.books import code_cells
from tests.printed import alike

PNG = "image/png"
# Pixels on a side of a block, and by how much its mean colour may differ, of 255. Other rounding
# changes 2 of them, a curve that is a pixel elsewhere 20 and more.
BLOCK, SHADE = 4, 16.0


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be off, and for which share of a figure's blocks the colour may.

    A processor without fused multiply-adds, which rounds otherwise everywhere, printed the same but
    for one in the sixth digit. One in the last digit, or a draw of the thousand that falls on
    the other side of its threshold, must be allowed: it moves what is printed by less than 1 %.
    """

    relative: float = 0.01
    share: float = 0.0


SAME_DRAWS = Tolerance()
# Leapfrog steps magnify rounding until nothing of a path is left: another processor has other
# chains of the same law. 10 % is three times the difference to expect of two stds, each from
# 1,000 draws; the chains are drawn in a quarter of two figures, 1 and 3 % of the blocks of which
# then had other colours.
OTHER_CHAINS = Tolerance(relative=0.1, share=0.06)


def differences(
    stored: NotebookNode, again: NotebookNode, tolerance: Tolerance = SAME_DRAWS
) -> list[str]:
    """What is not the same in the outputs of each cell, in words; of equal notebooks nothing."""
    found = []
    pairs = zip(code_cells(stored), code_cells(again), strict=True)
    for place, (one, other) in enumerate(pairs, start=1):
        kinds, others = [_kind(out) for out in one.outputs], [_kind(out) for out in other.outputs]
        if kinds != others:
            found.append(f"cell {place}: expected outputs {kinds}, got {others}")
            continue
        for expected, got in zip(one.outputs, other.outputs, strict=True):
            lines = _of_texts(expected, got, tolerance) + _of_pictures(expected, got, tolerance)
            found += [f"cell {place}: {line}" for line in lines]
    return found


def _kind(output: NotebookNode) -> tuple[str, ...]:
    return (output.output_type, *sorted(output.get("data", {})))


def _of_texts(expected: NotebookNode, got: NotebookNode, tolerance: Tolerance) -> list[str]:
    def near(one: str, other: str) -> bool:
        last_digit = 1.001 * 10.0 ** -min(_decimals(one), _decimals(other))
        allowed = max(tolerance.relative * abs(float(one)), last_digit)
        return abs(float(one) - float(other)) <= allowed

    pairs = zip(_texts(expected), _texts(got), strict=True)
    return [
        f"expected text\n{one}\ngot\n{other}" for one, other in pairs if not alike(one, other, near)
    ]


def _texts(output: NotebookNode) -> list[str]:
    if output.output_type == "stream":
        return [output.text]
    return [text for kind, text in sorted(output.data.items()) if kind != PNG]


def _decimals(number: str) -> int:
    mantissa, _, exponent = number.partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def _of_pictures(expected: NotebookNode, got: NotebookNode, tolerance: Tolerance) -> list[str]:
    if PNG not in expected.get("data", {}):
        return []
    one, other = pixels(expected.data[PNG]), pixels(got.data[PNG])
    if one.shape != other.shape:
        return [f"expected a figure of {one.shape[:2]} pixels, got one of {other.shape[:2]}"]
    off = np.abs(_blocks(one) - _blocks(other)).max(axis=-1)
    share = float(np.mean(off > SHADE))
    if share <= tolerance.share:
        return []
    return [f"a figure differs in {share:.2%} of its blocks, by {off.max():.0f} of 255"]


def pixels(png: str) -> np.ndarray:
    """Colours [row, column, channel], 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), float)


def _blocks(picture: np.ndarray) -> np.ndarray:
    """Mean colours of blocks; the rest at the right and at the bottom is filled up with white."""
    height, width = picture.shape[:2]
    room = ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0))
    full = np.pad(picture, room, constant_values=255.0)
    shape = (full.shape[0] // BLOCK, BLOCK, full.shape[1] // BLOCK, BLOCK, 3)
    return full.reshape(shape).mean(axis=(1, 3))
