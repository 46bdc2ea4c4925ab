"""What a file betrays without a look at its pixels, and how the picture looks in a few bytes.

The first feeds the shortcut probe, the second the search for duplicates.
"""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import Any

from PIL import Image

from filigrane.core.values import Picture
from filigrane.provenance.fingerprint import Fingerprint, fingerprint

SUBJECT = "traits 1"
"""The subject under which traits are cached; a change of what is measured changes it."""

FORMATS = ("jpeg", "png", "webp", "gif", "avif", "tiff", "bmp", "heic")
_BLOCKS_PX = (8, 64)


@dataclass(frozen=True, slots=True)
class Traits:
    """``features`` of the file alone, in a fixed order, and the ``look`` of the picture."""

    features: tuple[float, ...]
    look: Fingerprint

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        look = self.look
        luma = base64.b64encode(look.luma).decode()
        size = [look.width_px, look.height_px]
        return {"features": list(self.features), "bits": look.bits.hex(), "luma": luma, "size_px": size}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Traits:
        """What `to_json` wrote."""
        luma = base64.b64decode(value["luma"])
        return cls(tuple(value["features"]), Fingerprint(bytes.fromhex(value["bits"]), luma, *value["size_px"]))


def traits(picture: Picture) -> Traits:
    """The traits of ``picture``."""
    return Traits((*_of_size(picture), *_of_container(picture)), fingerprint(picture.pixels))


def _of_size(picture: Picture) -> tuple[float, ...]:
    """Bytes, sides, pixels, bytes per pixel, proportions, and whether the sides are whole blocks."""
    width, height, size = picture.width_px, picture.height_px, len(picture.data)
    blocks = tuple(float(side % block) for side in (width, height) for block in _BLOCKS_PX)
    shape = (math.log(width / height), float(width == height))
    return (
        math.log(size),
        float(width),
        float(height),
        math.log(width * height),
        size / (width * height),
        *shape,
        *blocks,
    )


def _of_container(picture: Picture) -> tuple[float, ...]:
    """Format, colour mode, JPEG tables and subsampling, and how much metadata of each kind there is."""
    formats = tuple(float(picture.format == name) for name in FORMATS)
    fallback = (float(picture.alpha is not None), *(0.0,) * 8)
    try:
        with Image.open(io.BytesIO(picture.data)) as image:
            return (*formats, float(picture.alpha is not None), *_of_header(image))
    except Exception:  # a parser of hostile bytes raises whatever they provoke; the picture itself was readable
        return (*formats, *fallback)


def _of_header(image: Image.Image) -> tuple[float, ...]:
    info = image.info
    tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
    layers: list[tuple[int, ...]] = getattr(image, "layer", None) or []
    sampling = layers[0][1] * 10 + layers[0][2] if layers and len(layers[0]) > 2 else 0
    kinds = (info.get("exif"), info.get("icc_profile"), info.get("xmp"), info)
    return (
        float(len(image.getbands())),
        float(sum(map(sum, tables.values()))),
        float(sampling),
        float(bool(info.get("progressive") or info.get("progression") or info.get("interlace"))),
        *(math.log1p(len(kind or b"")) for kind in kinds),
    )
