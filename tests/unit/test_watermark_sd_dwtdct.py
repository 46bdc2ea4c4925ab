"""Reading the mark of Stable Diffusion's tools, from pictures marked as their description says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.errors import WatermarkError
from filigrane.watermark.methods.sd_dwtdct import SD_BITS, SDXL_BITS, binomial_tail, build

Pixels = NDArray[np.uint8]
CONSTANTS = {
    "sd": (SD_BITS, b"StableDiffusionV1"),
    "sdxl": (SDXL_BITS, (0b101100111110110010010000011110111011000110011110).to_bytes(6)),
}


def _marked(pixels: Pixels, bits: tuple[int, ...], *, as_float: bool, swapped: bool) -> Pixels:
    """The mark, block by block, on the Haar approximation of the U plane."""
    code, back = (cv2.COLOR_RGB2YUV, cv2.COLOR_YUV2RGB) if swapped else (cv2.COLOR_BGR2YUV, cv2.COLOR_YUV2BGR)
    source = pixels[:, :, ::-1] if not swapped else pixels
    yuv = cv2.cvtColor(np.ascontiguousarray(source, np.float32 if as_float else np.uint8), code)
    chroma = yuv[:, :, 1].astype(np.float64)
    rows, columns = chroma.shape[0] // 4 * 2, chroma.shape[1] // 4 * 2
    quads = chroma[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
    low = quads.sum((1, 3)) / 2
    moved = low.copy()
    number = 0
    for i in range(rows // 4):
        for j in range(columns // 4):
            block = moved[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            place = divmod(int(np.abs(block.ravel()[1:]).argmax()) + 1, 4)
            step = (abs(block[place]) // 36 + 0.25 + 0.5 * bits[number % len(bits)]) * 36
            block[place] = np.copysign(step, block[place])
            number += 1
    quads += ((moved - low) / 2)[:, None, :, None]
    yuv[:, :, 1] = np.clip(chroma, 0, 255).astype(yuv.dtype) if not as_float else chroma
    out = np.clip(np.rint(cv2.cvtColor(yuv, back)), 0, 255).astype(np.uint8)
    return out if swapped else np.ascontiguousarray(out[:, :, ::-1])


@pytest.mark.parametrize("as_float", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("which", ["sd", "sdxl"])
def test_each_constant_is_read_in_each_convention(scene: Pixels, which: str, swapped: bool, as_float: bool) -> None:
    bits, expected = CONSTANTS[which]
    large = np.tile(scene, (2, 2, 1))
    reading = build().read(_marked(large, bits, as_float=as_float, swapped=swapped))
    assert reading.payload == int.from_bytes(expected, "big")
    assert reading.p_value <= 1e-6
    assert reading.bit_accuracy is not None
    assert reading.bit_accuracy > 0.9


def test_unmarked_pictures_are_silent(scene: Pixels, rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (200, 300, 3)).astype(np.uint8)
    for pixels in (scene, noise, np.zeros((64, 64, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)):
        assert build().read(pixels).payload is None


def test_other_bits_are_not_taken_for_the_constant(scene: Pixels, rng: np.random.Generator) -> None:
    bits = tuple(rng.integers(0, 2, 48).tolist())
    assert build().read(_marked(np.tile(scene, (2, 2, 1)), bits, as_float=False, swapped=False)).payload is None


def test_embedding_is_refused(scene: Pixels) -> None:
    with pytest.raises(WatermarkError, match="spread"):
        build().embed(scene, 1)


def test_the_tail_of_the_coin() -> None:
    assert binomial_tail(0, 48) == 1.0
    assert binomial_tail(48, 48) == 2.0**-48
    assert binomial_tail(24, 48) > 0.5
