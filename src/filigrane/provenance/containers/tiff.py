"""TIFF and BigTIFF: XMP, IPTC and C2PA tags of the first page; XMP written back.

The file is its own EXIF block. Sources: TIFF 6.0, BigTIFF, XMP part 3 (tag 700), C2PA 2.x (tag 0xCD41).
"""

from __future__ import annotations

import struct

from filigrane.core.errors import UnreadableInput
from filigrane.provenance.containers.base import Container, Draft
from filigrane.provenance.containers.ifd import Entry, Layout, read_first, value

_XMP, _IPTC, _C2PA = 700, 33723, 52545
_BYTE = 1


def read(data: bytes) -> Container:
    """The container of a TIFF file; a damaged one gives what could be read, with problems."""
    draft = Draft()
    page = read_first(data)
    if page is None:
        draft.problem("The TIFF header or its first page is cut off or damaged.")
        return draft.finish()
    draft.exif = data
    entries = {entry.tag: entry for entry in reversed(page.entries) if entry.tag in (_XMP, _IPTC, _C2PA)}
    for entry in entries.values():
        content = value(data, page.layout, entry)
        if content is None:
            draft.problem(f"The TIFF tag {entry.tag} points outside the file or is over the limit.")
        elif entry.tag == _XMP:
            draft.add_xmp(content)
        elif entry.tag == _IPTC:
            draft.add_iptc(_iptc(content, entry, page.layout))
        else:
            draft.has_c2pa = True
    return draft.finish()


def _iptc(content: bytes, entry: Entry, layout: Layout) -> bytes:
    """Some programs declare IPTC as 32-bit words, which then stand in the byte order of the file."""
    if entry.kind == 4 and layout.order == "<" and not content.startswith(b"\x1c"):
        return b"".join(content[place : place + 4][::-1] for place in range(0, len(content), 4))
    return content


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The same TIFF with ``packet`` as tag 700 of its first page; UnreadableInput where damaged.

    The packet and a new copy of the first page's directory are appended; no byte of the pictures moves. The bytes
    of a packet that is replaced stay in the file, unreferenced.
    """
    page = read_first(data)
    if page is None:
        raise UnreadableInput("A TIFF with a complete first page is needed; these bytes are cut off or damaged.")
    layout = page.layout
    body = bytearray(data + bytes(len(data) % 2))
    inline = len(packet) <= struct.calcsize(layout.word)
    field = packet.ljust(struct.calcsize(layout.word), b"\0") if inline else struct.pack(layout.word, len(body))
    entries = [entry for entry in page.entries if entry.tag != _XMP]
    entries.append(Entry(_XMP, _BYTE, len(packet), field))
    body += packet + bytes(len(packet) % 2)
    directory = len(body)
    body += struct.pack(layout.count, len(entries))
    for entry in sorted(entries, key=lambda entry: entry.tag):
        body += struct.pack(layout.entry, entry.tag, entry.kind, entry.count, entry.value)
    body += page.next_page
    if directory >= 2**32 and not layout.big:
        raise UnreadableInput("This TIFF would grow over 4 GiB, which the classic format cannot address.")
    struct.pack_into(layout.word, body, layout.pointer, directory)
    return bytes(body)
