"""The first bytes, and nothing else, say what a file is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from filigrane.core.errors import LimitExceeded, UnreadableInput, UnsupportedFormat
from filigrane.core.image import EXTENSIONS, MEDIA_TYPES, Limits, decode, encode, read_file, sniff
from filigrane.core.values import Pixels

SMALL = np.full((8, 8, 3), 128, np.uint8)


@pytest.mark.parametrize("name", MEDIA_TYPES)
def test_what_is_written_is_recognised(name: str) -> None:
    assert sniff(encode(SMALL, name)) == name


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty (0 bytes)"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"\n<!DOCTYPE html><p>Not found", "HTML"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\0\0\0\x1cftypisom\0\0\2\0isomiso2avc1mp41", "MP4"),
        (b"\0\0\0\x1cftypmp42\0\0\0\0mif1mp42", "MP4"),
        (b"RIFF\x10\0\0\0AVI LIST", "AVI"),
        (b"no picture at all", "plain text"),
        (b"\x00\x01\x02\x03\x04", "no known picture"),
        (b"BMW drives on", "plain text"),
    ],
)
def test_other_bytes_are_named(data: bytes, words: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        sniff(data)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("brands", "name"),
    [
        (b"avif....mif1", "avif"),
        (b"avis....avif", "avif"),
        (b"mif1....avif", "avif"),
        (b"mif1....heic", "heic"),
        (b"heix....mif1", "heic"),
        (b"msf1....hevc", "heic"),
    ],
)
def test_brands_tell_avif_from_heic(brands: bytes, name: str) -> None:
    box = b"ftyp" + brands
    assert sniff((len(box) + 4).to_bytes(4, "big") + box) == name


def test_a_name_that_contradicts_the_bytes_gives_a_note() -> None:
    for name, endings in EXTENSIONS.items():
        data = encode(SMALL, name)
        assert decode(data, origin=f"a{endings[0].upper()}").notes == ()
        assert decode(data, origin="download").notes == decode(data, origin="a.tmp").notes == ()
        wrong = "a.gif" if name != "gif" else "a.png"
        assert any(name in note for note in decode(data, origin=wrong).notes)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"1234")
    assert read_file(path, Limits(max_bytes=4)) == b"1234"
    with pytest.raises(LimitExceeded, match="max_bytes"):
        read_file(path, Limits(max_bytes=3))


def test_what_is_no_readable_file_gives_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in ((tmp_path, "folder"), (tmp_path / "pipe", "pipe"), (tmp_path / "none", "No such file")):
        with pytest.raises(UnreadableInput, match=words):
            read_file(path, Limits())


def test_bytes_over_the_limit_are_not_parsed(scene: Pixels) -> None:
    data = encode(scene, "png")
    with pytest.raises(LimitExceeded, match="bytes"):
        decode(data, limits=Limits(max_bytes=len(data) - 1))
