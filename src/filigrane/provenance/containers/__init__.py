"""Files as wrapping: one module per container, and the two functions that pick the right one.

`read` gives the metadata blocks of a file, `with_xmp` and `with_exif` the same file with a block replaced, without
touching the pixels.
"""

from __future__ import annotations

from types import ModuleType

from filigrane.core.errors import UnreadableInput, UnsupportedFormat
from filigrane.provenance.containers import bmff, bmp, gif, jpeg, png, tiff, webp
from filigrane.provenance.containers.base import Container, TextEntry, Trailing

__all__ = ["Container", "TextEntry", "Trailing", "read", "with_exif", "with_xmp"]

_MODULES: dict[str, ModuleType] = {
    "png": png,
    "jpeg": jpeg,
    "webp": webp,
    "gif": gif,
    "tiff": tiff,
    "avif": bmff,
    "heic": bmff,
    "bmp": bmp,
}


def read(data: bytes, format: str) -> Container:
    """The metadata blocks of a file of ``format`` (png, jpeg, webp, gif, tiff, avif, heic, bmp).

    Never raises for bad bytes: problems are in the value. Raises UnsupportedFormat for an unknown format.
    """
    container: Container = _module(format).read(data)
    return container


def with_xmp(data: bytes, format: str, packet: bytes) -> bytes:
    """The same file with ``packet`` as its XMP; a file that carries it already comes back as it is.

    Raises UnsupportedFormat where the format takes no XMP, UnreadableInput where the file is damaged, LimitExceeded
    where the packet is too long for a JPEG segment.
    """
    return _with(data, format, packet, kind="xmp")


def with_exif(data: bytes, format: str, exif: bytes) -> bytes:
    """The same PNG, JPEG or WebP with the raw TIFF bytes ``exif`` as its EXIF block; errors as for `with_xmp`."""
    return _with(data, format, exif, kind="exif")


def _with(data: bytes, format: str, block: bytes, *, kind: str) -> bytes:
    module = _module(format)
    writer = getattr(module, f"with_{kind}", None)
    if writer is None:
        able = ", ".join(name for name, other in _MODULES.items() if hasattr(other, f"with_{kind}"))
        raise UnsupportedFormat(f"{format.upper()} files take no {kind.upper()} here; convert to one of {able}.")
    if getattr(read(data, format), kind) == block:
        return data
    written: bytes = writer(data, block)
    if getattr(read(written, format), kind) != block:
        raise UnreadableInput(
            f"This {format.upper()} is damaged so that {kind.upper()} written to it is not found again."
        )
    return written


def _module(format: str) -> ModuleType:
    module = _MODULES.get(format)
    if module is None:
        raise UnsupportedFormat(f"The format {format!r} is not known; known are {', '.join(_MODULES)}.")
    return module
