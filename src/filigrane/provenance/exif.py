"""EXIF blocks as text, and what they say of the camera (Exif 3.0, CIPA DC-008-2023).

Only known tags are read, each once and each only when its bytes are all there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from filigrane.provenance.containers.base import TextEntry, decode_text
from filigrane.provenance.containers.ifd import Directory, Entry, numbers, read_directory, read_first, value

_EXIF_POINTER, _GPS_POINTER, _MAKER_NOTE, _USER_COMMENT = 0x8769, 0x8825, 0x927C, 0x9286
_ASCII = 2
_IMAGE_TAGS = {
    0x010D: "DocumentName",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x0132: "DateTime",
    0x013B: "Artist",
    0x013C: "HostComputer",
    0x8298: "Copyright",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9D: "XPAuthor",
    0x9C9E: "XPKeywords",
    0x9C9F: "XPSubject",
    0xC614: "UniqueCameraModel",
    0xC62F: "CameraSerialNumber",
}
_EXIF_TAGS = {
    0x829A: "ExposureTime",
    0x829D: "FNumber",
    0x8827: "ISOSpeedRatings",
    0x9003: "DateTimeOriginal",
    0x9004: "DateTimeDigitized",
    0x9209: "Flash",
    0x920A: "FocalLength",
    _USER_COMMENT: "UserComment",
    0x9291: "SubsecTimeOriginal",
    0xA405: "FocalLengthIn35mmFilm",
    0xA420: "ImageUniqueID",
    0xA430: "CameraOwnerName",
    0xA431: "BodySerialNumber",
    0xA433: "LensMake",
    0xA434: "LensModel",
    0xA435: "LensSerialNumber",
    0xA436: "ImageTitle",
    0xA437: "Photographer",
    0xA438: "ImageEditor",
    0xA439: "CameraFirmware",
    0xA43A: "RAWDevelopingSoftware",
    0xA43B: "ImageEditingSoftware",
    0xA43C: "MetadataEditingSoftware",
}
_GPS_TAGS = {
    0x0001: "GPSLatitudeRef",
    0x0002: "GPSLatitude",
    0x0003: "GPSLongitudeRef",
    0x0004: "GPSLongitude",
    0x0006: "GPSAltitude",
    0x0007: "GPSTimeStamp",
    0x001B: "GPSProcessingMethod",
    0x001C: "GPSAreaInformation",
    0x001D: "GPSDateStamp",
}
_MAKERS: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"Apple iOS\0", ("apple",)),
    (b"Nikon\0", ("nikon",)),
    (b"OLYMP", ("olympus", "om digital")),
    (b"OM SYSTEM\0", ("om digital", "olympus")),
    (b"Panasonic\0", ("panasonic",)),
    (b"LEICA", ("leica",)),
    (b"FUJIFILM", ("fujifilm",)),
    (b"GENERALE", ("ge", "general")),
    (b"SONY ", ("sony",)),
    (b"AOC\0", ("pentax", "ricoh", "samsung", "asahi")),
    (b"PENTAX \0", ("pentax", "ricoh")),
    (b"RICOH", ("ricoh", "pentax")),
    (b"Ricoh", ("ricoh", "pentax")),
    (b"SIGMA\0", ("sigma",)),
    (b"FOVEON\0", ("sigma", "foveon")),
    (b"QVC\0", ("casio",)),
    (b"KDK", ("kodak", "eastman")),
    (b"MINOL", ("minolta", "konica")),
    (b"HUAWEI\0", ("huawei", "honor")),
)


@dataclass(frozen=True, slots=True)
class Camera:
    """What the file says of the camera that took it; empty or None where it says nothing.

    ``maker_note`` is the printable start of the maker's own block. ``coherent`` says whether that block is of the kind
    that the named make writes: True or False where its first bytes name a maker, None where they do not.
    """

    make: str = ""
    model: str = ""
    lens: str = ""
    software: str = ""
    taken_at: str = ""
    digitised_at: str = ""
    modified_at: str = ""
    exposure_s: float | None = None
    f_number: float | None = None
    iso: float | None = None
    focal_length_mm: float | None = None
    has_maker_note: bool = False
    maker_note: str = ""
    coherent: bool | None = None
    has_gps: bool = False


@dataclass(frozen=True, slots=True)
class Exif:
    """The texts of an EXIF block (numbers in decimal), and the camera facts in it (None without any)."""

    entries: tuple[TextEntry, ...] = ()
    camera: Camera | None = None
    problems: tuple[str, ...] = ()


def parse(block: bytes) -> Exif:
    """What an EXIF block (raw TIFF bytes) says; a damaged one gives what could be read, with problems."""
    image = read_first(block)
    if image is None:
        return Exif(problems=("The EXIF block is damaged.",))
    inner = _below(block, image, _EXIF_POINTER)
    gps = _below(block, image, _GPS_POINTER)
    texts = _texts(block, image, _IMAGE_TAGS, where="EXIF")
    texts.update(_texts(block, inner, _EXIF_TAGS, where="EXIF"))
    found = _texts(block, gps, _GPS_TAGS, where="EXIF GPS")
    note = _maker_note(block, inner)
    camera = _camera({name: entry.text for name, entry in texts.items()}, note, bool(found))
    pointed = {entry.tag for entry in image.entries} & {_EXIF_POINTER, _GPS_POINTER}
    lost = len(pointed) - (inner is not None) - (gps is not None)
    problems = ("A part of the EXIF block is damaged.",) if lost > 0 else ()
    return Exif((*texts.values(), *found.values()), camera, problems)


def _below(block: bytes, above: Directory, pointer: int) -> Directory | None:
    """The directory that a pointer tag of ``above`` leads to."""
    entry = next((entry for entry in above.entries if entry.tag == pointer), None)
    place = numbers(block, above.layout, entry) if entry is not None else ()
    return read_directory(block, above.layout, int(place[0])) if place and place[0] >= 0 else None


def _texts(block: bytes, directory: Directory | None, names: Mapping[int, str], *, where: str) -> dict[str, TextEntry]:
    """The known tags of a directory by name, the first of each."""
    found: dict[str, TextEntry] = {}
    for entry in directory.entries if directory is not None else ():
        name = names.get(entry.tag)
        if name is None or name in found or directory is None:
            continue
        text = _text(block, directory, entry)
        if text:
            found[name] = TextEntry(name, text, where)
    return found


def _text(block: bytes, directory: Directory, entry: Entry) -> str:
    if entry.kind not in (1, _ASCII, 6, 7, 129):
        return " ".join(f"{float(number):.10g}" for number in numbers(block, directory.layout, entry))
    content = value(block, directory.layout, entry)
    if content is None:
        return ""
    if 0x9C9B <= entry.tag <= 0x9C9F:
        return content.decode("utf-16-le", "replace").rstrip("\0")
    if entry.tag == _USER_COMMENT or entry.tag in (0x001B, 0x001C):
        return decode_comment(content, directory.layout.order)
    return "; ".join(part.strip() for part in decode_text(content).split("\0") if part.strip())


def decode_comment(content: bytes, order: str = ">") -> str:
    """Text behind the 8-byte character code of Exif (ASCII, UNICODE, JIS or undefined).

    UNICODE is UTF-16 in the byte order of the block, but many writers keep to one order or write UTF-8: what reads
    best is taken, ``order`` ("<" or ">") where both read alike.

    >>> decode_comment(b"UNICODE\\0" + "Steps: 9".encode("utf-16-le"))
    'Steps: 9'
    """
    code, text = content[:8], content[8:]
    if code == b"UNICODE\0":
        return _decode_unicode(text, order)
    if code == b"JIS\0\0\0\0\0":
        return text.decode("iso2022_jp" if b"\x1b" in text else "shift_jis", "replace").rstrip("\0 ")
    if code in (b"ASCII\0\0\0", bytes(8)):
        return decode_text(text).strip("\0 ")
    return decode_text(content).strip("\0 ")


def _decode_unicode(text: bytes, order: str) -> str:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return text.decode("utf-16", "replace").rstrip("\0 ")
    if b"\0" not in text.rstrip(b"\0"):
        try:
            return text.decode("utf-8").rstrip("\0 ")
        except UnicodeDecodeError:
            pass
    # In either order, ASCII characters have a zero high byte: the order with more of them is the right one.
    little, big = text[1::2].count(0), text[0::2].count(0)
    if little != big:
        order = "<" if little > big else ">"
    return text.decode("utf-16-le" if order == "<" else "utf-16-be", "replace").rstrip("\0 ")


def _maker_note(block: bytes, inner: Directory | None) -> bytes:
    entry = next((entry for entry in inner.entries if entry.tag == _MAKER_NOTE), None) if inner else None
    content = value(block, inner.layout, entry) if inner and entry else None
    return content[:16] if content else b""


def _camera(texts: Mapping[str, str], note: bytes, has_gps: bool) -> Camera | None:
    """The camera facts; None where neither make, model nor any setting of the exposure is given."""
    facts = MappingProxyType(texts)
    told = ("Make", "Model", "LensModel", "ExposureTime", "FNumber", "FocalLength")
    if not note and not any(name in facts for name in told):
        return None
    make = facts.get("Make", "")
    makers = next((makers for start, makers in _MAKERS if note.startswith(start)), None)
    return Camera(
        make=make,
        model=facts.get("Model", ""),
        lens=facts.get("LensModel", ""),
        software=facts.get("Software", ""),
        taken_at=facts.get("DateTimeOriginal", ""),
        digitised_at=facts.get("DateTimeDigitized", ""),
        modified_at=facts.get("DateTime", ""),
        exposure_s=_number(facts, "ExposureTime"),
        f_number=_number(facts, "FNumber"),
        iso=_number(facts, "ISOSpeedRatings"),
        focal_length_mm=_number(facts, "FocalLength"),
        has_maker_note=bool(note),
        maker_note="".join(chr(byte) if 32 <= byte < 127 else "." for byte in note),
        coherent=None if makers is None else make.casefold().strip().startswith(makers),
        has_gps=has_gps,
    )


def _number(texts: Mapping[str, str], name: str) -> float | None:
    try:
        return float(texts[name].split()[0])
    except (KeyError, ValueError, IndexError):
        return None
