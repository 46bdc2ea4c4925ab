"""Any generator that declares itself in IPTC terms: DigitalSourceType, and the AI properties of version 2025.1.

Meta, Midjourney, Google, Apple and others write these beside marks of their own, so this mark may stand next to theirs.
"""

from __future__ import annotations

from filigrane.provenance import xmp
from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import MAX_TEXT_CHARS
from filigrane.provenance.metadata import Metadata
from filigrane.provenance.source_types import Generative, SourceType, parse

_WHOLLY = (SourceType.TRAINED_ALGORITHMIC_MEDIA, SourceType.TRAINED_ALGORITHMIC_DATA)


class _Iptc:
    tool = "IPTC declaration"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        named = map(parse, metadata.xmp_values(xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE))
        kinds = [kind for kind in named if kind is not None and kind.generative is not Generative.NO]
        kind = min(kinds, key=lambda kind: list(Generative).index(kind.generative), default=None)
        system = _first(metadata, xmp.AI_SYSTEM_USED)
        if kind is None and not system:
            return None
        fields = {"digital_source_type": kind.uri if kind else "", "ai_system": system}
        fields["ai_system_version"] = _first(metadata, xmp.AI_SYSTEM_VERSION_USED)
        return GeneratorMark(
            system or self.tool,
            "XMP Iptc4xmpExt:" + (xmp.DIGITAL_SOURCE_TYPE if kind else xmp.AI_SYSTEM_USED),
            _says(kind),
            explicit=kind is None or kind.generative is Generative.YES,
            prompt=_first(metadata, xmp.AI_PROMPT_INFORMATION),
            model=" ".join(part for part in (system, fields["ai_system_version"]) if part),
            fields={name: text for name, text in fields.items() if text},
        )


def _first(metadata: Metadata, name: str) -> str:
    return next(iter(metadata.xmp_values(xmp.IPTC_EXT, name)), "")[:MAX_TEXT_CHARS]


def _says(kind: SourceType | None) -> Says:
    if kind is not None and kind.generative is Generative.POSSIBLY:
        return Says.POSSIBLY
    return Says.GENERATED if kind is None or kind in _WHOLLY else Says.EDITED


def build() -> _Iptc:
    """The mark of IPTC declarations."""
    return _Iptc()
