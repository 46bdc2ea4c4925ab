"""What the bytes of a file say before any decoder sees them: its format, canvas size and number of frames.

A decoder is only started for the one format that the first bytes name, never for what a file name claims. The
facts are read with checked lengths and bounded loops, because the bytes are hostile.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from filigrane.core.errors import UnsupportedFormat

MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "jpeg": "image/jpeg",
        "png": "image/png",
        "webp": "image/webp",
        "gif": "image/gif",
        "avif": "image/avif",
        "tiff": "image/tiff",
        "bmp": "image/bmp",
        "heic": "image/heic",
    }
)
"""The media type of each format that is read."""

EXTENSIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
        "png": (".png", ".apng"),
        "webp": (".webp",),
        "gif": (".gif",),
        "avif": (".avif", ".avifs"),
        "tiff": (".tif", ".tiff", ".dng"),
        "bmp": (".bmp", ".dib"),
        "heic": (".heic", ".heif", ".heics", ".heifs", ".hif"),
    }
)
"""The file name endings of each format, the usual one first."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (_PNG_SIGNATURE, "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"\0\0\x01\0", "a Windows icon"),
    (b"qoif", "a QOI picture"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"OggS", "an Ogg audio or video file"),
    (b"ID3", "an MP3 audio file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"version https://git-lfs", "a Git LFS pointer, not the picture it stands for"),
)
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def sniff(data: bytes) -> str:
    """The format of ``data`` by its first bytes alone: jpeg, png, webp, gif, avif, tiff, bmp or heic.

    Raises UnsupportedFormat naming what the bytes look like, where that is known.

    >>> sniff(b"GIF89a")
    'gif'
    """
    if not data:
        raise UnsupportedFormat("The file is empty (0 bytes); give a complete picture.")
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and (brand := _iso_media(data)):
        return brand
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "bmp"
    raise UnsupportedFormat(
        f"The bytes look like {_likeness(data)}; expected a picture in one of {', '.join(MEDIA_TYPES)}."
    )


def _iso_media(data: bytes) -> str | None:
    """The picture format among the brands of an ISO base media file (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 512)
    major, compatible = data[8:12], {data[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS or (major in _HEIC_BRANDS and compatible & _AVIF_BRANDS):
        return "avif"
    # A video may list mif1 beside its own brands, so only the major brand makes it a picture.
    return "heic" if major in _HEIC_BRANDS else None


def _likeness(data: bytes) -> str:
    """What bytes that are no picture we read look like, as a noun."""
    for magic, noun in _OTHERS:
        if data.startswith(magic):
            return noun
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("ascii", "replace").strip()
        return f"an MP4, QuickTime or camera raw file (brand {brand!r})"
    if data[:4] == b"RIFF":
        return "an AVI or WAVE file"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "an SVG drawing"
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "an HTML page"
    if head.startswith(b"<?xml"):
        return "an XML document"
    if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return "plain text"
    return "no known picture"


def other_owner(suffix: str, name: str) -> str | None:
    """The format to which the file name ending ``suffix`` belongs, where that is not ``name``.

    >>> other_owner(".JPG", "png")
    'jpeg'
    """
    owners = [owner for owner, endings in EXTENSIONS.items() if suffix.lower() in endings]
    return owners[0] if owners and owners[0] != name else None


def webp_canvas(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a WebP canvas (RFC 9649), or None where the header is not understood.

    The library allocates the canvas on opening, so it must be known before.
    """
    kind, head = data[12:16], data[20:30]
    if len(head) < 10:
        return None
    if kind == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8 ":
        return int.from_bytes(head[6:8], "little") & 0x3FFF, int.from_bytes(head[8:10], "little") & 0x3FFF
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def gif_frames(data: bytes, *, most: int) -> int:
    """Frames of a GIF (GIF89a specification), counted without decoding; stops at ``most`` + 1."""
    at, frames = 13 + _colour_table(data, 10), 0
    while at < len(data) and frames <= most:
        if data[at] == 0x2C:
            frames += 1
            at = _skip_blocks(data, at + 11 + _colour_table(data, at + 9))
        elif data[at] == 0x21:
            at = _skip_blocks(data, at + 2)
        else:
            break
    return frames


def _colour_table(data: bytes, at: int) -> int:
    """Bytes of the colour table that the flags at ``at`` announce."""
    flags = data[at] if at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int) -> int:
    """The place after the length-prefixed blocks that start at ``at``."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def tiff_pages(data: bytes, *, most: int) -> int:
    """Pages of a TIFF or BigTIFF (TIFF 6.0), by its chain of directories; stops at ``most`` + 1 and at a loop."""
    count_bytes, entry_bytes, link_bytes = (8, 20, 8) if data[2:4] in (b"+\0", b"\0+") else (2, 12, 4)

    def number(at: int, length: int) -> int:
        return int.from_bytes(data[at : at + length], "little" if data[:2] == b"II" else "big")

    seen: set[int] = set()
    at = number(8 if link_bytes == 8 else 4, link_bytes)
    while 0 < at <= len(data) - count_bytes and at not in seen and len(seen) <= most:
        seen.add(at)
        at = number(at + count_bytes + entry_bytes * number(at, count_bytes), link_bytes)
    return len(seen)


def png_without(data: bytes, keep: frozenset[bytes]) -> tuple[bytes, tuple[str, ...]]:
    """A PNG without the ancillary chunks that are damaged or not in ``keep``, and the names of the damaged ones.

    A chunk is ancillary if its first letter is lower-case, and damaged if its CRC is wrong (PNG specification, 5.4).
    """
    kept, damaged = [_PNG_SIGNATURE], set()
    for name, whole in _png_chunks(data):
        if name[0] & 0x20:
            if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
                damaged.add(name.decode() if name.isalpha() else "an unnamed chunk")
                continue
            if name not in keep:
                continue
        kept.append(whole)
    return b"".join(kept), tuple(sorted(damaged))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and whole bytes of each chunk up to the end mark; the last may be cut short."""
    at, name = len(_PNG_SIGNATURE), b""
    while at + 12 <= len(data) and name != b"IEND":
        name = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        yield name, data[at:end]
        at = end
