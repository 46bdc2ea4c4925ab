"""JPEG: EXIF, XMP with its extension, IPTC, comments, C2PA and trailing bytes; XMP and EXIF written back.

Sources: ITU-T T.81, Exif 3.0, XMP part 3 section 1.1.3 (extended XMP), CIPA DC-007 (multi-picture), C2PA 2.x (APP11).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from filigrane.core.errors import LimitExceeded, UnreadableInput
from filigrane.provenance.containers.base import MAX_BLOCK_BYTES, MAX_PARTS, Container, Draft, decode_text
from filigrane.provenance.containers.samsung import read_trailer
from filigrane.provenance.containers.trailing import classify

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXIF = b"Exif\0\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_LABEL_START_BYTES = 32
"""How far into a segment a bare China TC260 label is looked for."""
_MAX_SEGMENT_BYTES = 65_533
_SOS, _EOI, _COM, _APP0, _APP1, _APP2, _APP11, _APP13, _APP15 = 0xDA, 0xD9, 0xFE, 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEF
# Inside entropy-coded data FF00 is a literal FF, FFD0 to FFD7 are restarts, and FF01 means nothing.
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    start: int
    end: int
    """Where the marker starts and the segment ends; the data lie between start + 4 and end."""

    def data(self, file: bytes) -> bytes:
        return file[self.start + 4 : self.end]


def _segments(file: bytes) -> Iterator[_Segment]:
    """Every complete segment between SOI and EOI, EOI included, entropy-coded data skipped."""
    position = 2
    for _ in range(MAX_PARTS):
        found = _MARKER.search(file, position)
        if found is None:
            return
        start, marker = found.start(), file[found.start() + 1]
        if marker == _EOI:
            yield _Segment(marker, start, start + 2)
            return
        position = start + 2 if marker == 0xD8 else start + 2 + int.from_bytes(file[start + 2 : start + 4], "big")
        if marker == 0xD8:
            continue
        if position < start + 4 or position > len(file):
            return
        yield _Segment(marker, start, position)


@dataclass(slots=True)
class _Joined:
    """Blocks that are spread over several segments."""

    extension: dict[int, bytes] = field(default_factory=dict)
    photoshop: list[bytes] = field(default_factory=list)
    multi_picture: bool = False


def read(data: bytes) -> Container:
    """The container of a JPEG file; a damaged one gives what could be read, with problems."""
    draft, joined = Draft(), _Joined()
    if not data.startswith(b"\xff\xd8"):
        draft.problem("The JPEG start marker is missing.")
        return draft.finish()
    last = None
    for last in _segments(data):
        if last.marker == _COM or _APP0 <= last.marker <= _APP15:
            _read_segment(draft, joined, marker=last.marker, content=last.data(data))
    if joined.extension:
        draft.add_xmp(b"".join(part for _, part in sorted(joined.extension.items())))
    if joined.photoshop:
        _read_photoshop(draft, b"".join(joined.photoshop))
    if last is None or last.marker != _EOI:
        draft.problem("The JPEG ends before its end marker.")
    else:
        draft.trailing = classify(data, last.end, multi_picture=joined.multi_picture)
        read_trailer(draft, data)
    return draft.finish()


def _read_segment(draft: Draft, joined: _Joined, *, marker: int, content: bytes) -> None:
    if marker == _COM:
        draft.add_text("comment", decode_text(content), "JPEG comment")
    elif marker == _APP1 and content.startswith(_EXIF):
        draft.add_exif(content)
    elif marker == _APP1 and content.startswith(_XMP):
        draft.add_xmp(content[len(_XMP) :])
    elif marker == _APP1 and content.startswith(_EXTENSION):
        _read_extension(draft, joined, content[len(_EXTENSION) :])
    elif marker == _APP2:
        joined.multi_picture = joined.multi_picture or content.startswith(b"MPF\0")
    elif marker == _APP11:
        draft.has_c2pa = draft.has_c2pa or (content.startswith(b"JP") and b"jumb" in content[:64])
    elif marker == _APP13 and content.startswith(_PHOTOSHOP):
        joined.photoshop.append(content[len(_PHOTOSHOP) :])
    elif b"AIGC{" in content[:_LABEL_START_BYTES]:
        label = content[content.index(b"AIGC{") + 4 :]
        draft.add_text("AIGC", decode_text(label[: label.rfind(b"}") + 1]), "JPEG segment")


def _read_extension(draft: Draft, joined: _Joined, content: bytes) -> None:
    """One part of an extended packet: a 32-character digest, the full length, the offset of this part, the part."""
    if len(content) < 40:
        draft.problem("An extended XMP segment of the JPEG is cut off.")
        return
    size, offset = struct.unpack_from(">II", content, 32)
    if size > MAX_BLOCK_BYTES or offset > size:
        draft.problem("The extended XMP of the JPEG is over the limit for metadata and was left out.")
        return
    joined.extension.setdefault(offset, content[40:])


def _read_photoshop(draft: Draft, content: bytes) -> None:
    """Image resource blocks: ``8BIM``, id, padded name, size, padded data; id 0x0404 holds IPTC."""
    position = 0
    while content[position : position + 4] == b"8BIM" and position + 12 <= len(content):
        kind = int.from_bytes(content[position + 4 : position + 6], "big")
        position += 6 + (content[position + 6] + 2) // 2 * 2
        size = int.from_bytes(content[position : position + 4], "big")
        if kind == 0x0404:
            draft.add_iptc(content[position + 4 : position + 4 + size])
        position += 4 + (size + 1) // 2 * 2


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The same JPEG with ``packet`` as its main XMP packet, after JFIF and EXIF.

    An extended packet stays where ``packet`` still names it (``xmpNote:HasExtendedXMP``). Raises LimitExceeded for
    packets over one segment (65,504 bytes) and UnreadableInput for damaged files.
    """
    if len(packet) + len(_XMP) > _MAX_SEGMENT_BYTES:
        raise LimitExceeded(
            f"An XMP packet of {len(packet)} bytes does not fit one JPEG segment "
            f"({_MAX_SEGMENT_BYTES - len(_XMP)} bytes); shorten the texts in it."
        )

    def old(content: bytes) -> bool:
        unnamed = content.startswith(_EXTENSION) and content[len(_EXTENSION) : len(_EXTENSION) + 32] not in packet
        return content.startswith(_XMP) or unnamed

    return _replace(data, _XMP + packet, old)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """The same JPEG with the raw TIFF bytes ``exif`` as its only EXIF block; errors as for `with_xmp`."""
    if len(exif) + len(_EXIF) > _MAX_SEGMENT_BYTES:
        raise LimitExceeded(f"An EXIF block of {len(exif)} bytes does not fit one JPEG segment (65,527 bytes).")
    return _replace(data, _EXIF + exif, lambda content: content.startswith(_EXIF))


def _replace(data: bytes, content: bytes, old: Callable[[bytes], bool]) -> bytes:
    segments = list(_segments(data)) if data.startswith(b"\xff\xd8") else []
    if not any(segment.marker == _SOS for segment in segments):
        raise UnreadableInput("A JPEG with a start of scan is needed; these bytes are cut off or damaged.")
    new = struct.pack(">BBH", 0xFF, _APP1, len(content) + 2) + content
    pieces: list[bytes] = [data[:2]]
    position, placed = 2, False
    for segment in segments:
        segment_content = segment.data(data)
        before_new = segment.marker == _APP0 or (segment.marker == _APP1 and segment_content.startswith(_EXIF))
        if not placed and (not before_new or old(segment_content)):
            pieces += [data[position : segment.start], new]
            position, placed = segment.start, True
        if segment.marker == _APP1 and old(segment_content):
            pieces.append(data[position : segment.start])
            position = segment.end
        if segment.marker == _SOS:
            break
    return b"".join([*pieces, data[position:]])
