"""xAI Grok: EXIF Artist is a UUID, ImageDescription and UserComment are ``Signature:`` and base64."""

from __future__ import annotations

import re

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.metadata import Metadata

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SIGNATURE = re.compile(r"Signature: [A-Za-z0-9+/]{60,}={0,2}")


class _Grok:
    tool = "xAI Grok"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        image = metadata.exif_text("Artist").strip()
        signed = metadata.exif_text("ImageDescription").strip() or metadata.exif_text("UserComment").strip()
        if not _UUID.fullmatch(image) or not _SIGNATURE.fullmatch(signed):
            return None
        where = "EXIF Artist and ImageDescription"
        return GeneratorMark(self.tool, where, Says.GENERATED, explicit=False, fields={"image_id": image})


def build() -> _Grok:
    """The mark of xAI Grok."""
    return _Grok()
