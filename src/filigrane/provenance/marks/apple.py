"""Apple Photos: the credit line "Apple Photos Clean Up" of pictures from which AI removed something."""

from __future__ import annotations

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.metadata import Metadata

_CREDIT = "Apple Photos Clean Up"


class _Apple:
    tool = _CREDIT

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in metadata.credits():
            if entry.text.strip() == _CREDIT:
                where = f"{entry.where} {entry.keyword}"
                return GeneratorMark(self.tool, where, Says.EDITED, explicit=True, fields={"credit": _CREDIT})
        return None


def build() -> _Apple:
    """The mark of Apple Photos Clean Up."""
    return _Apple()
