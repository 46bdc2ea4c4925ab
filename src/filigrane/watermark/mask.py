"""Where a mark may be strong: an edge-aware mask of how much change a place hides.

A plain local deviation is large beside every strong edge, also on its smooth side, where the mark then shows as
mottling. Taking the minimum of the deviation over a neighbourhood leaves only places that are busy all around.
"""

from __future__ import annotations

import cv2
import numpy as np

from filigrane.watermark.frame import Plane

_WINDOW_PX = 5
_REACH_PX = 7
_FLOOR = 2.0
_CEILING = 8.0
_POWER = 0.6
_GAIN = 0.62


def visibility_mask(luma: Plane) -> Plane:
    """Change in grey levels that each pixel of ``luma`` (0–255) hides, float32, same shape."""
    busy = cv2.erode(deviation(luma), np.ones((_REACH_PX, _REACH_PX), np.uint8))
    smooth = cv2.blur(busy, (_REACH_PX, _REACH_PX))
    return np.asarray(_GAIN * (np.minimum(smooth, _CEILING) + _FLOOR) ** _POWER, np.float32)


def deviation(luma: Plane) -> Plane:
    """Standard deviation in a window about each pixel."""
    mean = cv2.blur(luma, (_WINDOW_PX, _WINDOW_PX))
    square = cv2.blur(luma * luma, (_WINDOW_PX, _WINDOW_PX))
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)), np.float32)
