"""Pictures from hostile bytes, and back: the one place where image files are read and written.

`decode` works in the calling process and checks every limit before it decodes; to survive decoders that crash or
hang, call it through `filigrane.core.parallel.GuardedPool`.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from filigrane.core import colour, formats
from filigrane.core.errors import FiligraneError, LimitExceeded, UnreadableInput, UsageError
from filigrane.core.formats import EXTENSIONS, MEDIA_TYPES, sniff
from filigrane.core.text import printable
from filigrane.core.values import Picture, Pixels, frozen, sha256_hex

__all__ = ["EXTENSIONS", "MEDIA_TYPES", "Limits", "decode", "encode", "read_file", "sniff"]

_READERS: Mapping[str, type[ImageFile.ImageFile]] = MappingProxyType(
    {
        "jpeg": JpegImagePlugin.JpegImageFile,
        "png": PngImagePlugin.PngImageFile,
        "webp": WebPImagePlugin.WebPImageFile,
        "gif": GifImagePlugin.GifImageFile,
        "avif": AvifImagePlugin.AvifImageFile,
        "tiff": TiffImagePlugin.TiffImageFile,
        "bmp": BmpImagePlugin.BmpImageFile,
    }
)
_OPAQUE = frozenset({"jpeg", "gif", "bmp"})
_LOOK = (frozenset({b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT"}), frozenset({b"tRNS"}))
"""Ancillary PNG chunks that change how a picture looks: what is kept at the second and at the last try."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one input may cost: bytes of the file, pixels of a frame, frames, and pixels of all frames together."""

    max_bytes: int = 256 * 2**20
    max_pixels: int = 64_000_000
    max_total_pixels: int = 512_000_000
    max_frames: int = 10_000


def read_file(path: Path, limits: Limits) -> bytes:
    """The bytes of the file at ``path``, its size checked before reading.

    Raises LimitExceeded, or UnreadableInput where it is missing, forbidden or no regular file.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise UnreadableInput(f"{path} is {kind}; expected a picture file.")
        _check_bytes(status.st_size, limits)
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    except OSError as error:
        raise UnreadableInput(f"{path} cannot be read ({error.strerror or type(error).__name__}).") from error
    _check_bytes(len(data), limits)
    return data


def decode(data: bytes, *, origin: str = "", limits: Limits | None = None) -> Picture:
    """The picture that ``data`` holds: its first frame, upright, in sRGB, with alpha kept apart.

    ``origin`` is a file name or address; an ending that contradicts the bytes gives a note, as do a broken colour
    profile and damaged side information. Raises UnsupportedFormat, LimitExceeded or UnreadableInput.
    """
    limits = limits if limits is not None else Limits()
    _check_bytes(len(data), limits)
    name = sniff(data)
    notes: list[str] = []
    if owner := formats.other_owner(Path(origin).suffix, name):
        notes.append(f"The file name ends as if it were {owner}, but the bytes are {name}.")
    try:
        image, frames = _load(data, name, limits, notes)
        pixels, alpha = colour.srgb(colour.upright(image, notes), notes)
    except FiligraneError:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise LimitExceeded(
            f"The {name} picture has more pixels or needs more memory than is allowed; scale it down first."
        ) from error
    except Exception as error:  # a parser of hostile bytes raises whatever they provoke
        raise UnreadableInput(
            f"The {name} file is damaged or cut short ({_short(error)}); ask for a complete copy."
        ) from error
    return Picture(
        data=data,
        pixels=frozen(pixels),
        format=name,
        sha256=sha256_hex(data),
        origin=origin,
        alpha=frozen(alpha) if alpha is not None else None,
        frames=frames,
        notes=tuple(notes),
    )


def _load(data: bytes, name: str, limits: Limits, notes: list[str]) -> tuple[Image.Image, int]:
    """The decoded first frame and the number of frames; a PNG gets further tries without its side information."""
    try:
        return _load_strictly(data, name, limits)
    except (FiligraneError, MemoryError, Image.DecompressionBombError):
        raise
    except Exception:  # a parser of hostile bytes raises whatever they provoke
        loaded = _load_mended(data, limits, notes) if name == "png" else None
        if loaded is None:
            raise
        return loaded


def _load_mended(data: bytes, limits: Limits, notes: list[str]) -> tuple[Image.Image, int] | None:
    """A PNG read without the side information that keeps it from being read, or None where that is not the cause."""
    for keep in _LOOK:
        mended, damaged = formats.png_without(data, keep)
        with suppress(SyntaxError, ValueError, OSError, EOFError):
            loaded = _load_strictly(mended, "png", limits)
            which = f" (wrong checksum in {', '.join(damaged)})" if damaged else ""
            notes.append(f"Damaged side information of the PNG was passed over{which}.")
            return loaded
    return None


def _load_strictly(data: bytes, name: str, limits: Limits) -> tuple[Image.Image, int]:
    """The decoded first frame and the number of frames, every limit checked before pixels are decoded."""
    if name == "webp" and (canvas := formats.webp_canvas(data)):
        _check_pixels(canvas, 1, limits)
    image = _reader(name)(io.BytesIO(data))
    frames = _frames(image, data, name, limits)
    _check_pixels(image.size, frames, limits)
    image.load()
    return image, frames


def _reader(name: str) -> type[ImageFile.ImageFile]:
    """The one parser of the format; that of HEIC is only imported when it is needed."""
    if name != "heic":
        return _READERS[name]
    from pillow_heif import HeifImageFile

    return HeifImageFile


def _frames(image: Image.Image, data: bytes, name: str, limits: Limits) -> int:
    """Frames or pages of the file, counted without decoding them; one past the limit where there are more."""
    if name == "gif":
        return formats.gif_frames(data, most=limits.max_frames)
    if name == "tiff":
        return formats.tiff_pages(data, most=limits.max_frames)
    return int(getattr(image, "n_frames", 1))


def _check_bytes(size: int, limits: Limits) -> None:
    if size > limits.max_bytes:
        raise LimitExceeded(f"The file has {size:,} bytes; the limit is {limits.max_bytes:,} (setting max_bytes).")


def _check_pixels(size: tuple[int, int], frames: int, limits: Limits) -> None:
    width, height = size
    pixels = width * height
    if pixels == 0:
        raise UnreadableInput(f"The picture is {width} x {height} pixels; expected at least one pixel.")
    if pixels > limits.max_pixels:
        raise LimitExceeded(
            f"The picture is {width} x {height} = {pixels:,} pixels; "
            f"the limit is {limits.max_pixels:,} (setting max_pixels)."
        )
    if frames > limits.max_frames:
        raise LimitExceeded(f"The file has {frames:,} frames or more; the limit is {limits.max_frames:,}.")
    if pixels * frames > limits.max_total_pixels:
        raise LimitExceeded(
            f"The file has {frames:,} frames of {width} x {height}, together {pixels * frames:,} pixels; "
            f"the limit is {limits.max_total_pixels:,} (setting max_total_pixels)."
        )


def _short(error: Exception) -> str:
    """What a third-party error says, as one printable line of limited length."""
    text = " ".join(printable(str(error)[:1000]).split())
    return (text[:117] + "...") if len(text) > 120 else text or type(error).__name__


def encode(pixels: Pixels, format: str, *, alpha: Pixels | None = None, quality: int | None = 95) -> bytes:
    """A file of ``format`` that holds ``pixels`` (uint8, H, W, 3, sRGB) and ``alpha`` (uint8, H, W).

    ``quality`` is 1 to 100 for jpeg, webp, avif and heic; None asks for lossless, or for the best that the format
    can give. PNG, TIFF and BMP are always lossless, GIF keeps 256 colours. Raises UsageError where the format cannot
    hold the picture.
    """
    if format not in MEDIA_TYPES:
        raise UsageError(f"{format!r} is no format that is written here; choose one of {', '.join(MEDIA_TYPES)}.")
    if alpha is not None and format in _OPAQUE:
        raise UsageError(f"A {format} file holds no alpha channel; choose png, webp, avif, heic or tiff.")
    planes = pixels if alpha is None else np.dstack([pixels, alpha])
    image, out = Image.fromarray(planes), io.BytesIO()
    try:
        if format == "heic":
            from pillow_heif import from_pillow

            from_pillow(image).save(out, **_save_options(format, quality))
        else:
            image.save(out, format=format.upper(), **_save_options(format, quality))
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"A picture of {image.width} x {image.height} pixels cannot be written as {format} ({_short(error)})."
        ) from error
    return out.getvalue()


def _save_options(format: str, quality: int | None) -> dict[str, Any]:
    """Pillow's options: no chroma subsampling from quality 90 on, where it would cost more than it saves."""
    best = quality if quality is not None else 100
    chroma = "4:4:4" if best >= 90 else "4:2:0"
    match format:
        case "jpeg":
            return {"quality": best, "subsampling": chroma}
        case "webp":
            return {"lossless": quality is None, "quality": best, "exact": True}
        case "avif":
            return {"quality": best, "subsampling": chroma}
        case "heic":
            return {"quality": -1 if quality is None else best, "chroma": chroma.replace(":", "")}
        case "tiff":
            return {"compression": "tiff_adobe_deflate"}
        case _:
            return {}
