"""Where the small autoencoders begin: the cosine transform of a patch, and its inverse in steps of two.

A network that has to learn its way from patches to pixels needs hours for what a transform knows at once, so the
encoder begins as the transform (Ahmed, Natarajan and Rao, 1974) and the decoder's layers as its inverse, each from the
waves of a patch to those of its four quarters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
_CHROMA_COST = 9.0
_PLACED = np.array([[0, 0], [1, 0], [0, 1], [0, 0]])
_SMOOTH = np.array([[-0.125, 0.375], [0.25, 0.25], [0.375, -0.125]])


def waves(size: int, count: int) -> NDArray[np.float64]:
    """The ``count`` lowest waves of a patch, orthonormal: (count, 3, size, size); colour differences count as higher.

    >>> np.round(waves(2, 1)[0, 0], 3).tolist()
    [[0.289, 0.289], [0.289, 0.289]]
    """
    lines = np.cos(np.pi * np.outer(np.arange(size), np.arange(size) + 0.5) / size) * np.sqrt(2 / size)
    lines[0] /= np.sqrt(2)
    made = [
        _OPPONENT[colour][:, None, None] * np.outer(lines[down], lines[across])
        for colour, down, across in _places(size)[:count]
    ]
    return np.array(made)


def deviations(size: int, count: int) -> NDArray[np.float64]:
    """How much each of those waves varies in photographs in [-1, 1], about: (count,).

    The spectrum of photographs falls with the frequency (Field, JOSA A 4, 1987), and that of colour lies lower.
    """
    found = [
        0.5 * size / (1 + np.hypot(down, across)) ** 1.5 / (4 if colour else 1)
        for colour, down, across in _places(size)[:count]
    ]
    return np.array(found)


def quarters(size: int, count: int, fewer: int) -> NDArray[np.float64]:
    """From ``count`` waves of a patch to ``fewer`` waves of each of its quarters: (2, 2, fewer, count).

    Both are in units of the side of their patch, so that numbers stay alike from level to level.
    """
    half = size // 2
    cut = waves(size, count).reshape(count, 3, 2, half, 2, half)
    return 2 * np.asarray(np.einsum("ncrhsw,fchw->rsfn", cut, waves(half, fewer)))


def kernel(upsampler: str, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """`quarters` (2, 2, fewer, count) as the weights of a layer that enlarges by two: (made, count, height, width).

    A transposed kernel of four puts each quarter into its place, and a pixel shuffle takes them as maps. On repeated
    pixels no kernel of three can tell them apart: there it draws lines between the means and keeps half of the detail.
    """
    if upsampler == "shuffle":
        return steps.transpose(2, 0, 1, 3).reshape(-1, steps.shape[3], 1, 1)
    shares = _PLACED if upsampler == "transposed" else _SMOOTH
    return np.asarray(np.einsum("pr,qs,rsfn->fnpq", shares, shares, steps))


def _places(size: int) -> list[tuple[int, int, int]]:
    places = [(colour, down, across) for colour in range(3) for down in range(size) for across in range(size)]
    return sorted(places, key=lambda one: (1 + one[1] ** 2 + one[2] ** 2) * (_CHROMA_COST if one[0] else 1.0))
