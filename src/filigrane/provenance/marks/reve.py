"""Reve: the program names itself ``reve.com`` in EXIF Software or XMP CreatorTool."""

from __future__ import annotations

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.metadata import Metadata


class _Reve:
    tool = "Reve"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in metadata.software():
            if entry.text.strip().casefold() == "reve.com":
                return GeneratorMark(self.tool, f"{entry.where} {entry.keyword}", Says.GENERATED, explicit=False)
        return None


def build() -> _Reve:
    """The mark of Reve."""
    return _Reve()
