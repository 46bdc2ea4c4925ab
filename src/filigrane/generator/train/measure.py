"""How good the built-in generator is: is its picture recognised, is its colour the one asked for, is it a copy?

The judge is our own and simple, so anyone can train it again: gradients' histograms (Dalal & Triggs 2005) and a grid of
colours, with a support vector machine on top. It learns only from photographs that the generator never saw.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from filigrane.core.values import Pixels

Features = NDArray[np.float64]
COMPONENTS = 96


def features(pictures: Pixels) -> Features:
    """Shape and colour (n, 2148) of pictures uint8 (n, 64, 64, 3)."""
    rows = []
    for picture in pictures:
        shape = hog(picture.mean(-1), orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
        lab = rgb2lab(picture).reshape(8, 8, 8, 8, 3)
        rows.append(np.concatenate([shape, lab.mean((1, 3)).ravel() / 50, lab.std((1, 3)).ravel() / 50]))
    return np.stack(rows)


@dataclass(frozen=True, slots=True)
class Judge:
    """Names what a picture shows, from its features."""

    model: Pipeline

    def name(self, rows: Features) -> list[str]:
        """The most likely noun for each row of features."""
        return [str(noun) for noun in self.model.predict(rows)]

    def embed(self, rows: Features) -> Features:
        """The components that the classifier decides on, each of unit spread, for distances between sets."""
        embedded: Features = self.model[:-1].transform(rows) / np.sqrt(self.model["pca"].explained_variance_)
        return embedded


def train_judge(rows: Features, nouns: Sequence[str], *, seed: int = 7) -> Judge:
    """A support vector machine (Cortes & Vapnik 1995) on the leading components of ``rows``; nouns weigh alike."""
    model = make_pipeline(
        StandardScaler(),
        PCA(COMPONENTS, random_state=seed),
        SVC(C=10, class_weight="balanced"),
    )
    model.fit(rows, list(nouns))
    return Judge(model)


def kernel_distance(first: Features, second: Features) -> float:
    """KID (Bińkowski et al. 2018): unbiased squared MMD of two sets under a cubic kernel; 0 for equal distributions."""
    width = first.shape[1]

    def similar(left: Features, right: Features) -> Features:
        cubed: Features = (left @ right.T / width + 1) ** 3
        return cubed

    own = [
        (similar(rows, rows).sum() - np.trace(similar(rows, rows))) / (len(rows) * (len(rows) - 1))
        for rows in (first, second)
    ]
    return float(sum(own) - 2 * similar(first, second).mean())


_HUES = (
    (15, "red"), (42, "orange"), (70, "yellow"), (165, "green"), (195, "turquoise"), (255, "blue"), (290, "purple"),
    (345, "pink"), (361, "red"),
)  # fmt: skip


def colour_word(red: float, green: float, blue: float) -> str:
    """The word for one colour given in 0–1.

    >>> colour_word(0.8, 0.1, 0.1), colour_word(0.1, 0.1, 0.12), colour_word(0.2, 0.3, 0.8)
    ('red', 'black', 'blue')
    """
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    if value < 0.2:
        return "black"
    if saturation < 0.17:
        return "white" if value > 0.78 else "grey" if value > 0.28 else "black"
    word = next(name for end, name in _HUES if hue * 360 < end)
    if word in ("orange", "red", "yellow") and 10 < hue * 360 < 55:
        if value < 0.6:
            return "brown"
        if saturation < 0.4:
            return "beige"
    if word == "red" and saturation < 0.55 and value > 0.6:
        return "pink"
    return word


def colours_of(picture: Pixels, *, at_least: float = 0.2) -> tuple[str, ...]:
    """Colour words that cover at least a share of the middle of a picture, uint8 (h, w, 3), most frequent first."""
    height, width = picture.shape[:2]
    middle = picture[height // 5 : -height // 5, width // 5 : -width // 5]
    cells = middle[: middle.shape[0] // 3 * 3, : middle.shape[1] // 3 * 3]
    cells = cells.reshape(cells.shape[0] // 3, 3, cells.shape[1] // 3, 3, 3).mean((1, 3)).reshape(-1, 3) / 255
    words, counts = np.unique([colour_word(*cell) for cell in cells], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return tuple(str(words[place]) for place in order if counts[place] >= at_least * len(cells))


def nearest(made: Pixels, known: Pixels, *, mirrored: bool = True) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For pictures uint8 (n, 64, 64, 3) the closest of ``known`` and the root mean square distance to it, 0–255."""
    flat = made.reshape(len(made), -1).astype(np.float32)
    views = [known, known[:, :, ::-1]] if mirrored else [known]
    best, place = np.full(len(made), np.inf), np.zeros(len(made), np.intp)
    for view in views:
        for start in range(0, len(view), 512):
            block = view[start : start + 512].reshape(-1, flat.shape[1]).astype(np.float32)
            squared = (flat**2).sum(1)[:, None] + (block**2).sum(1)[None] - 2 * flat @ block.T
            closer = squared.min(1) < best
            place[closer] = start + squared.argmin(1)[closer]
            best[closer] = squared.min(1)[closer]
    return place, np.sqrt(np.maximum(best, 0) / flat.shape[1])
