"""The visible label: two words in a corner, for those who ask for more than marks that only machines read."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from filigrane.core.values import Pixels

TEXT = "AI generated"
SHARE = 0.05
"""Height of the capitals in shares of the shorter side, the least that GB 45438-2025 asks for."""
_LEAST_PX = 7
_TRIED_PX = 100
_INK, _GROUND = (255, 255, 255, 235), (0, 0, 0, 150)


def with_badge(pixels: Pixels, text: str = TEXT) -> Pixels:
    """``pixels``, uint8 (H, W, 3), with ``text`` on a dark ground at the lower right."""
    image = Image.fromarray(pixels).convert("RGBA")
    _, capital_top, _, capital_bottom = ImageFont.load_default(_TRIED_PX).getbbox("A")
    capital_px = max(_LEAST_PX, SHARE * min(image.size)) + 1
    size_px = math.ceil(_TRIED_PX * capital_px / (capital_bottom - capital_top))
    font = ImageFont.load_default(size_px)
    left, top, right, bottom = font.getbbox(text)
    gap = max(2, size_px // 3)
    width, height = right - left + 2 * gap, bottom - top + 2 * gap
    label = Image.new("RGBA", (round(width), round(height)), _GROUND)
    ImageDraw.Draw(label).text((gap - left, gap - top), text, font=font, fill=_INK)
    image.alpha_composite(label, (max(0, image.width - label.width), max(0, image.height - label.height)))
    return np.asarray(image.convert("RGB"))
