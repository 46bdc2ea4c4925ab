"""What every container reader gives and needs: the `Container` value, and a draft of it that keeps all caps.

A container is the file as wrapping: the text, EXIF, XMP and IPTC blocks it carries, whether a manifest is inside, and
what follows the end of the picture. Readers never raise on bad bytes; what is wrong is said in ``problems``.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

MAX_BLOCK_BYTES = 16 * 2**20
"""Longest block of metadata that is kept, after inflating."""
MAX_TOTAL_BYTES = 48 * 2**20
"""Most bytes of metadata kept from one file, after inflating."""
MAX_ENTRIES = 1000
"""Most text entries, packets or problems kept from one file."""
MAX_PARTS = 100_000
"""Most segments, chunks or boxes walked in one file."""


@dataclass(frozen=True, slots=True)
class TextEntry:
    """One text found in a file: its keyword (may be empty), the text, and where it stood in words."""

    keyword: str
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Trailing:
    """Bytes after the end of the picture; ``expected`` where ordinary cameras and programs write such bytes."""

    size_bytes: int
    kind: str
    expected: bool


@dataclass(frozen=True, slots=True)
class Container:
    """The metadata blocks of a file as they stand in it.

    ``exif`` is raw TIFF bytes (a whole TIFF file is its own block), ``xmp_packets`` the XMP packets with the main one
    first, ``iptc`` raw IPTC-IIM datasets.
    """

    texts: tuple[TextEntry, ...] = ()
    exif: bytes | None = field(default=None, repr=False)
    xmp_packets: tuple[bytes, ...] = field(default=(), repr=False)
    iptc: bytes | None = field(default=None, repr=False)
    has_c2pa: bool = False
    trailing: Trailing | None = None
    problems: tuple[str, ...] = ()

    @property
    def xmp(self) -> bytes | None:
        """The main XMP packet, or None."""
        return self.xmp_packets[0] if self.xmp_packets else None


@dataclass(slots=True)
class Draft:
    """A container being read: takes what a reader finds, keeps the first of each, and enforces the caps."""

    texts: list[TextEntry] = field(default_factory=list)
    exif: bytes | None = None
    xmp_packets: list[bytes] = field(default_factory=list)
    iptc: bytes | None = None
    has_c2pa: bool = False
    trailing: Trailing | None = None
    problems: list[str] = field(default_factory=list)
    kept_bytes: int = 0

    def problem(self, sentence: str) -> None:
        """Note what is wrong with the file, once."""
        if sentence not in self.problems and len(self.problems) < MAX_ENTRIES:
            self.problems.append(sentence)

    def _fits(self, size_bytes: int, what: str) -> bool:
        full = len(self.texts) + len(self.xmp_packets) >= MAX_ENTRIES
        if full or size_bytes > MAX_BLOCK_BYTES or self.kept_bytes + size_bytes > MAX_TOTAL_BYTES:
            self.problem(f"{what} is over the limit for metadata and was left out.")
            return False
        self.kept_bytes += size_bytes
        return True

    def unpack(self, data: bytes, what: str) -> bytes | None:
        """Inflated ``data``, or None with a problem; a failed attempt counts as a full block, so that bombs add up."""
        room = min(MAX_BLOCK_BYTES, MAX_TOTAL_BYTES - self.kept_bytes) if len(self.texts) < MAX_ENTRIES else 0
        unpacked = inflate(data, room) if room > 0 else None
        if unpacked is None:
            self.kept_bytes += MAX_BLOCK_BYTES
            self.problem(f"{what} cannot be inflated within the limit.")
        return unpacked

    def add_text(self, keyword: str, text: str, where: str) -> None:
        """Keep a text entry; empty ones are dropped."""
        if text and self._fits(len(text), f"A text in {where}"):
            self.texts.append(TextEntry(keyword, text, where))

    def add_exif(self, block: bytes) -> None:
        """Keep an EXIF block, with or without its ``Exif`` header."""
        block = block.removeprefix(b"Exif\0").removeprefix(b"\0")
        if self.exif is not None:
            self.problem("There is more than one EXIF block; the first is read.")
        elif self._fits(len(block), "The EXIF block"):
            self.exif = block

    def add_xmp(self, packet: bytes) -> None:
        """Keep an XMP packet."""
        if packet and self._fits(len(packet), "An XMP packet"):
            self.xmp_packets.append(packet)

    def add_iptc(self, block: bytes) -> None:
        """Keep an IPTC-IIM block."""
        if self.iptc is None and self._fits(len(block), "The IPTC block"):
            self.iptc = block

    def finish(self) -> Container:
        """The frozen container."""
        return Container(
            tuple(self.texts),
            self.exif,
            tuple(self.xmp_packets),
            self.iptc,
            self.has_c2pa,
            self.trailing,
            tuple(self.problems),
        )


def inflate(data: bytes, max_bytes: int = MAX_BLOCK_BYTES) -> bytes | None:
    """zlib or gzip data unpacked to at most ``max_bytes``; None where it is damaged or longer.

    A stream that merely ends early gives what was there.

    >>> inflate(zlib.compress(b"law"))
    b'law'
    >>> inflate(zlib.compress(bytes(100)), max_bytes=99) is None
    True
    """
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        unpacked = unpacker.decompress(data, max_bytes + 1)
    except zlib.error:
        return None
    return unpacked if len(unpacked) <= max_bytes else None


def decode_text(data: bytes) -> str:
    """UTF-8 where it is valid, Latin-1 otherwise, without trailing NUL bytes.

    >>> decode_text("é".encode()) == decode_text("é".encode("latin-1")) == "é"
    True
    """
    data = data.rstrip(b"\0")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
