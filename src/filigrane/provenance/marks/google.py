"""Google (Gemini, Imagen, Google Photos): the credit line "Made with Google AI" or "Edited with Google AI"."""

from __future__ import annotations

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.metadata import Metadata

_CREDITS = {"Made with Google AI": Says.GENERATED, "Edited with Google AI": Says.EDITED}


class _Google:
    tool = "Google AI"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in metadata.credits():
            says = _CREDITS.get(entry.text.strip())
            if says is not None:
                fields = {"credit": entry.text.strip()}
                return GeneratorMark(self.tool, f"{entry.where} {entry.keyword}", says, explicit=True, fields=fields)
        return None


def build() -> _Google:
    """The mark of Google AI."""
    return _Google()
