"""The label that people see: its capitals are as high as the law asks, on pictures of every size."""

from __future__ import annotations

import numpy as np
import pytest

from filigrane.app.badge import SHARE, with_badge


@pytest.mark.parametrize(("height", "width"), [(64, 64), (192, 256), (256, 192), (512, 512), (1000, 777), (2048, 3000)])
def test_capitals_have_their_share_of_the_shorter_side(height: int, width: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    labelled = with_badge(pixels, "AI")
    rows = np.flatnonzero((labelled > 128).any((1, 2)))
    assert labelled.shape == pixels.shape
    assert SHARE * min(height, width) <= len(rows) <= max(10, 1.3 * SHARE * min(height, width))
