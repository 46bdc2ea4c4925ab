"""Ideogram: EXIF Make is "Ideogram AI"."""

from __future__ import annotations

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.metadata import Metadata


class _Ideogram:
    tool = "Ideogram"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        if metadata.exif_text("Make").strip() != "Ideogram AI":
            return None
        return GeneratorMark(self.tool, "EXIF Make", Says.GENERATED, explicit=True)


def build() -> _Ideogram:
    """The mark of Ideogram."""
    return _Ideogram()
