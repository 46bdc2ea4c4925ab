"""What the metadata of a picture say of its origin, beside the signed manifest: IPTC and China's TC260 label, in XMP.

Sources: IPTC Photo Metadata 2025.1 (digital source type and the AI properties), GB 45438-2025 (TC260).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.provenance import containers, xmp
from filigrane.provenance.source_types import SourceType
from filigrane.provenance.xmp import Property


@dataclass(frozen=True, slots=True)
class Tc260:
    """China's implicit label: who made it, under which id; ``label`` is 1 generated, 2 possibly, 3 suspected."""

    producer: str
    produce_id: str
    label: int = 1
    propagator: str = ""
    propagate_id: str = ""

    def to_json(self) -> str:
        """The label as the standard writes it.

        >>> Tc260("Org", "7").to_json()[:31]
        '{"Label": "1", "ContentProducer'
        """
        if self.label not in (1, 2, 3):
            raise UsageError(f"A TC260 label is 1, 2 or 3; {self.label} was given.")
        fields = {
            "Label": str(self.label),
            "ContentProducer": self.producer,
            "ProduceID": self.produce_id,
            "ReservedCode1": "",
            "ContentPropagator": self.propagator,
            "PropagateID": self.propagate_id,
            "ReservedCode2": "",
        }
        return json.dumps(fields, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Labels:
    """What to write into the metadata; empty fields are left as they stand in the file."""

    source_type: SourceType | None = None
    system: str = ""
    system_version: str = ""
    prompt: str = ""
    prompt_writer: str = ""
    tc260: Tc260 | None = None

    def properties(self) -> Iterator[Property]:
        """The XMP properties that say so."""
        if self.source_type is not None:
            yield Property(xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE, self.source_type.uri)
        texts = {
            xmp.AI_SYSTEM_USED: self.system,
            xmp.AI_SYSTEM_VERSION_USED: self.system_version,
            xmp.AI_PROMPT_INFORMATION: self.prompt,
            xmp.AI_PROMPT_WRITER_NAME: self.prompt_writer,
        }
        yield from (Property(xmp.IPTC_EXT, name, text) for name, text in texts.items() if text)
        if self.tc260 is not None:
            yield Property(xmp.TC260, "AIGC", self.tc260.to_json())


def write(data: bytes, format: str, labels: Labels) -> bytes:
    """The same file with ``labels`` in its XMP; other properties stay, a packet that is no XML is replaced.

    Raises what `containers.with_xmp` raises, and UsageError for a TC260 label that there is not.
    """
    properties = tuple(labels.properties())
    if not properties:
        return data
    packet = containers.read(data, format).xmp
    new = None
    if packet is not None:
        with contextlib.suppress(UnreadableInput):
            new = xmp.with_properties(packet, properties)
    return containers.with_xmp(data, format, new if new is not None else xmp.with_properties(None, properties))
