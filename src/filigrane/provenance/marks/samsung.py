"""Samsung Galaxy AI: the photo editor's record in the trailer, with a ``genAIType`` other than zero."""

from __future__ import annotations

import re

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import MAX_TEXT_CHARS
from filigrane.provenance.metadata import Metadata

_TYPE = re.compile(r'genAIType\\*"\s{0,8}:\s{0,8}(-?\d{1,9})\b')


class _Samsung:
    tool = "Samsung Galaxy AI"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in metadata.texts:
            if entry.where != "Samsung trailer":
                continue
            kinds = [kind for kind in _TYPE.findall(entry.text[:MAX_TEXT_CHARS]) if int(kind)]
            if kinds:
                where = f"{entry.where} {entry.keyword}"
                return GeneratorMark(self.tool, where, Says.EDITED, explicit=False, fields={"genAIType": kinds[0]})
        return None


def build() -> _Samsung:
    """The mark of Samsung Galaxy AI."""
    return _Samsung()
