"""IPTC-IIM datasets, the metadata of news pictures before XMP (IPTC Information Interchange Model 4.2, record 2)."""

from __future__ import annotations

from filigrane.provenance.containers.base import MAX_ENTRIES, TextEntry, decode_text

_NAMES = {
    5: "ObjectName",
    10: "Urgency",
    15: "Category",
    25: "Keywords",
    40: "SpecialInstructions",
    55: "DateCreated",
    60: "TimeCreated",
    65: "OriginatingProgram",
    70: "ProgramVersion",
    80: "By-line",
    85: "By-lineTitle",
    90: "City",
    92: "Sub-location",
    95: "Province-State",
    101: "Country",
    103: "OriginalTransmissionReference",
    105: "Headline",
    110: "Credit",
    115: "Source",
    116: "CopyrightNotice",
    118: "Contact",
    120: "Caption-Abstract",
    122: "Writer-Editor",
}


def parse(block: bytes) -> tuple[TextEntry, ...]:
    """The named texts of record 2, up to the first damaged dataset.

    >>> parse(bytes([0x1C, 2, 105, 0, 2]) + b"Hi")
    (TextEntry(keyword='Headline', text='Hi', where='IPTC'),)
    """
    found: list[TextEntry] = []
    position = 0
    while position + 5 <= len(block) and block[position] == 0x1C and len(found) < MAX_ENTRIES:
        record, number = block[position + 1], block[position + 2]
        size = int.from_bytes(block[position + 3 : position + 5], "big")
        start = position + 5
        position = start + size
        # Lengths from 32,768 on are of the extended form, which no text of record 2 uses.
        if size >= 0x8000 or position > len(block):
            break
        if record == 2 and number in _NAMES and size:
            found.append(TextEntry(_NAMES[number], decode_text(block[start:position]), "IPTC"))
    return tuple(found)
