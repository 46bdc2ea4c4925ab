"""Metadata: EXIF in every dialect, IPTC, text hidden in pixels, personal values kept apart."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from filigrane.core.image import decode, encode
from filigrane.core.values import Picture, sha256_hex
from filigrane.provenance import containers, exif, xmp
from filigrane.provenance.metadata import Metadata, read_metadata
from filigrane.provenance.stealth import read_stealth
from filigrane.provenance.xmp import Property, with_properties

MAKER_NOTE, USER_COMMENT = 0x927C, 0x9286


def read(data: bytes) -> Metadata:
    return read_metadata(decode(data))


def jpeg(tags: dict[int, Any], inner: dict[int, Any] | None = None, gps: dict[int, Any] | None = None) -> bytes:
    block = Image.Exif()
    block.update(tags)
    block.get_ifd(0x8769).update(inner or {})
    block.get_ifd(0x8825).update(gps or {})
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=block)
    return file.getvalue()


def picture(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None = None, format: str = "png") -> Picture:
    data = encode(pixels, "png")
    return Picture(data, pixels, format, sha256_hex(data), alpha=alpha)


def hide(planes: NDArray[np.uint8], signature: bytes, content: bytes, bits: int | None = None) -> NDArray[np.uint8]:
    """The planes (H, W, C) with a stealth text in their lowest bits, column by column."""
    size = len(content) * 8 if bits is None else bits
    stream = np.unpackbits(np.frombuffer(signature + size.to_bytes(4, "big") + content, np.uint8))
    flat = planes.transpose(1, 0, 2).reshape(-1).copy()
    flat[: stream.size] = flat[: stream.size] & 0xFE | stream
    height, width, channels = planes.shape
    return np.ascontiguousarray(flat.reshape(width, height, channels).transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"UNICODE\0" + "Ente, Steps: 3".encode("utf-16-be"), "Ente, Steps: 3"),
        (b"UNICODE\0" + "Ente, Steps: 3".encode("utf-16-le"), "Ente, Steps: 3"),
        (b"UNICODE\0" + "a 鸭子".encode("utf-16"), "a 鸭子"),
        (b"UNICODE\0" + b"Ente, Steps: 3", "Ente, Steps: 3"),
        (b"ASCII\0\0\0plain\0\0", "plain"),
        (b"JIS\0\0\0\0\0" + "アヒル".encode("iso2022_jp"), "アヒル"),
        (b"JIS\0\0\0\0\0" + "アヒル".encode("shift_jis"), "アヒル"),
        (bytes(8) + "née".encode(), "née"),
        (b"no code at all", "no code at all"),
    ],
)
def test_user_comments_are_read_in_every_code(content: bytes, text: str) -> None:
    assert exif.decode_comment(content) == text
    assert read(jpeg({}, {USER_COMMENT: content})).exif_text("UserComment") == text


def test_chinese_without_ascii_is_read_in_the_order_of_the_block() -> None:
    assert exif.decode_comment(b"UNICODE\0" + "鸭子画".encode("utf-16-le"), "<") == "鸭子画"
    assert exif.decode_comment(b"UNICODE\0" + "鸭子画".encode("utf-16-be"), ">") == "鸭子画"


def test_camera_facts_are_read() -> None:
    inner = {0x829A: 0.004, 0x829D: 2.8, 0x8827: 200, 0x9003: "2026:01:02 03:04:05", 0xA434: "50mm", 0x920A: 50.0}
    inner[MAKER_NOTE] = b"Nikon\0\x02\x11rest of it"
    camera = read(jpeg({0x010F: "NIKON CORPORATION", 0x0110: "D850"}, inner)).camera
    assert camera is not None
    assert (camera.make, camera.model, camera.lens) == ("NIKON CORPORATION", "D850", "50mm")
    assert (camera.f_number, camera.iso, camera.focal_length_mm) == (2.8, 200, 50)
    assert camera.exposure_s == pytest.approx(1 / 250)
    assert camera.taken_at == "2026:01:02 03:04:05"
    assert camera.coherent is True and not camera.has_gps


@pytest.mark.parametrize(
    ("make", "note", "coherent"),
    [
        ("Apple", b"Apple iOS\0\0\x01MM", True),
        ("Apple", b"Nikon\0\x02\x11", False),
        ("", b"FUJIFILM\x0c\0\0\0", False),
        ("Canon", b"\x2b\0\x01\0\x03\0", None),
    ],
)
def test_a_maker_note_must_fit_the_make(make: str, note: bytes, coherent: bool | None) -> None:
    camera = read(jpeg({0x010F: make} if make else {}, {MAKER_NOTE: note})).camera
    assert camera is not None and camera.has_maker_note and camera.coherent is coherent


def test_personal_values_stand_apart() -> None:
    packet = with_properties(
        None,
        [
            Property(xmp.DC, "creator", "Ada"),
            Property(xmp.PHOTOSHOP, "City", "Paris"),
            Property(xmp.IPTC_EXT, xmp.AI_PROMPT_WRITER_NAME, "Ada"),
            Property(xmp.AUX, "SerialNumber", "123"),
            Property(xmp.XMP, "CreatorTool", "Tool 1"),
        ],
    )
    tags = {0x010F: "Acme", 0x013B: "Ada", 0x8298: "Ada", 0x0131: "Tool 1"}
    inner = {0xA430: "Ada", 0xA431: "123", 0xA435: "123"}
    data = jpeg(tags, inner, {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    metadata = read(containers.with_xmp(data, "jpeg", packet))
    secrets = ("Ada", "Paris", "123", "48 51 30")
    assert not [entry for entry in metadata.shown if entry.text in secrets]
    assert {entry.text for entry in metadata.personal} >= set(secrets)
    assert [entry.text for entry in metadata.shown if entry.text == "Tool 1"] == ["Tool 1", "Tool 1"]
    assert metadata.camera is not None and metadata.camera.has_gps


def test_iptc_is_read_and_a_cut_dataset_ends_it() -> None:
    block = b"\x1c\x02\x6e\0\x04Wire\x1c\x02\x50\0\x03Ada\x1c\x02\x05\xff\xff"
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + block
    content = b"Photoshop 3.0\0" + resource
    data = jpeg({})
    data = data[:2] + b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content + data[2:]
    found = read(data)
    assert [(entry.keyword, entry.text) for entry in found.iptc] == [("Credit", "Wire"), ("By-line", "Ada")]
    assert [entry.keyword for entry in found.credits()] == ["Credit"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("channel", ["alpha", "rgb"])
def test_hidden_text_is_found(scene: NDArray[np.uint8], channel: str, packed: bool) -> None:
    text = "née\nSteps: 9, Sampler: Euler, Seed: 3"
    content = gzip.compress(text.encode()) if packed else text.encode()
    signature = f"stealth_{'png' if channel == 'alpha' else 'rgb'}{'comp' if packed else 'info'}".encode()
    if channel == "alpha":
        shown = picture(scene, hide(scene[..., :1], signature, content)[..., 0])
    else:
        shown = picture(hide(scene, signature, content), scene[..., 0])
    metadata = read_metadata(shown)
    assert metadata.stealth is not None and (metadata.stealth.text, metadata.stealth.channel) == (text, channel)
    assert [(entry.keyword, entry.text) for entry in metadata.texts] == [("parameters", text)]


def test_hidden_json_becomes_one_text_per_key(scene: NDArray[np.uint8]) -> None:
    fields = {"Software": "NovelAI", "Comment": "{}", "n": 3}
    hidden = hide(scene, b"stealth_rgbcomp", gzip.compress(json.dumps(fields).encode()))
    texts = read_metadata(picture(hidden)).texts
    assert [(entry.keyword, entry.text) for entry in texts] == [("Software", "NovelAI"), ("Comment", "{}")]


def test_lossy_formats_are_not_searched(scene: NDArray[np.uint8]) -> None:
    hidden = hide(scene, b"stealth_rgbinfo", b"text")
    assert read_stealth(picture(hidden)) is not None
    assert read_stealth(picture(hidden, format="jpeg")) is None


@pytest.mark.parametrize(
    ("content", "bits"),
    [(b"", 2**32 - 1), (b"", 0), (b"no gzip", None), (gzip.compress(bytes(5 * 2**20)), None)],
    ids=["longer than the picture", "empty", "damaged", "bomb"],
)
def test_hostile_hidden_text_gives_none(scene: NDArray[np.uint8], content: bytes, bits: int | None) -> None:
    assert read_stealth(picture(hide(scene, b"stealth_rgbcomp", content, bits))) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (3, 9, 3), (200, 1, 3)])
def test_tiny_pictures_hide_nothing(shape: tuple[int, int, int]) -> None:
    assert read_stealth(picture(np.zeros(shape, np.uint8), np.zeros(shape[:2], np.uint8))) is None


def test_damaged_exif_gives_a_problem(rng: np.random.Generator) -> None:
    block = containers.read(jpeg({0x010F: "Acme"}, {USER_COMMENT: b"ASCII\0\0\0x"}, {1: "N"}), "jpeg").exif
    assert block is not None
    assert exif.parse(b"nonsense").problems
    for _ in range(200):
        broken = bytearray(block)
        for place in rng.integers(0, len(block), 3):
            broken[place] = rng.integers(256)
        exif.parse(bytes(broken[: rng.integers(0, len(block) + 1)]))


def test_an_entry_that_points_outside_is_left_out() -> None:
    entry = (0x010F).to_bytes(2, "little") + (2).to_bytes(2, "little") + b"\xff\xff\xff\x7f" + b"\x08\0\0\0"
    assert exif.parse(b"II*\0\x08\0\0\0\x01\0" + entry + bytes(4)).entries == ()
