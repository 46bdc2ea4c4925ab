"""Midjourney: PNG ``Description`` that ends in ``Job ID: uuid``; XMP DigImageGUID with the generative source type."""

from __future__ import annotations

import re

from filigrane.provenance import source_types, xmp
from filigrane.provenance.containers import TextEntry
from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import MAX_TEXT_CHARS
from filigrane.provenance.metadata import Metadata

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_JOB = re.compile(rf"Job ID: ({_UUID})\s*$")
_OPTION = re.compile(r"(?:^|\s)--([a-z]+)(?:\s+([^\s-]\S*))?")
_TAIL_CHARS = 100


class _Midjourney:
    tool = "Midjourney"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        types = metadata.xmp_values(xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE)
        declared = source_types.SourceType.TRAINED_ALGORITHMIC_MEDIA in map(source_types.parse, types)
        for entry in _descriptions(metadata):
            job = _JOB.search(entry.text[-_TAIL_CHARS:])
            if job is None:
                continue
            prompt = entry.text[: entry.text.rindex("Job ID:")].strip()[:MAX_TEXT_CHARS]
            options = dict(_OPTION.findall(prompt))
            if options or declared or (metadata.text("Author") and metadata.text("Creation Time")):
                where = f"{entry.where} {entry.keyword}"
                return self._mark(where, declared, job[1], prompt=prompt, options=options)
        guid = next(iter(metadata.xmp_values(xmp.IPTC_EXT, "DigImageGUID")), "")
        if declared and re.fullmatch(_UUID, guid):
            return self._mark("XMP Iptc4xmpExt:DigImageGUID", declared, guid, prompt="", options={})
        return None

    def _mark(self, where: str, declared: bool, job: str, *, prompt: str, options: dict[str, str]) -> GeneratorMark:
        version = options.get("niji") or options.get("v", "")
        family = "niji" if "niji" in options else "v"
        return GeneratorMark(
            self.tool,
            where,
            Says.GENERATED,
            explicit=declared,
            prompt=prompt,
            model=f"{family} {version}" if version else "",
            fields={"job_id": job, **options},
        )


def _descriptions(metadata: Metadata) -> tuple[TextEntry, ...]:
    named = [entry for entry in metadata.texts if entry.keyword == "Description"]
    named += [TextEntry("dc:description", value, "XMP") for value in metadata.xmp_values(xmp.DC, "description")]
    return (*named, *metadata.comments())


def build() -> _Midjourney:
    """The mark of Midjourney."""
    return _Midjourney()
