"""Files damaged at random: a picture or one sentence, never a crash, a hang or a memory hog."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from filigrane.core.errors import DecodeTimeout, FiligraneError
from filigrane.core.image import MEDIA_TYPES, Limits, decode, encode
from filigrane.core.parallel import GuardedPool
from filigrane.core.values import Picture, Pixels

MEMORY_BYTES = 2**30
HANG_S = 5.0


def healthy_files(scene: Pixels) -> list[bytes]:
    """A plain file of each format, and one with metadata, a colour profile and frames where the format has them."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[305] = "Drawing board"
    extras = {"exif": exif, "icc_profile": profile, "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"}
    files = [encode(scene, name, quality=80) for name in MEDIA_TYPES]
    frames = [Image.fromarray(np.roll(scene[::2, ::2], 9 * shift, axis=1)) for shift in range(3)]
    for name in ("jpeg", "png", "webp", "gif", "avif", "tiff"):
        out = io.BytesIO()
        several = {"save_all": True, "append_images": frames[1:]} if name != "jpeg" else {}
        frames[0].save(out, name.upper(), **extras, **several)
        files.append(out.getvalue())
    return files


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """``data`` with one to three random damages."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        start = int(rng.integers(0, len(out) + 1))
        span = int(rng.integers(1, max(2, len(out) // 8)))
        match int(rng.integers(0, 7)):
            case 0:
                for at in rng.integers(0, len(out), int(rng.integers(1, 20))) if out else ():
                    out[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                del out[start:]
            case 2:
                out[start:start] = rng.bytes(span)
            case 3:
                del out[start : start + span]
            case 4:
                out[start:start] = out[start : start + span]
            case 5:
                head = int(rng.integers(0, 64))
                out[head : head + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", rng.bytes(4)])
            case _:
                # Two four-byte fields change places: lengths, offsets and types come to the wrong hands.
                one, two = sorted(int(at) for at in rng.integers(0, min(len(out), 512) + 1, 2))
                out[one : one + 4], out[two : two + 4] = out[two : two + 4], out[one : one + 4]
    return bytes(out)


def damaged_files(scene: Pixels, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    healthy = healthy_files(scene)
    for turn in range(count):
        yield mutate(healthy[turn % len(healthy)], rng)


@pytest.mark.parametrize("count", [120, pytest.param(2000, marks=pytest.mark.slow)])
def test_damaged_files_give_a_picture_or_a_sentence(scene: Pixels, rng: np.random.Generator, count: int) -> None:
    outcomes = 0
    limits = Limits(max_pixels=16_000_000)
    with GuardedPool(2, MEMORY_BYTES, HANG_S) as pool:
        for data, outcome in pool.map(partial(decode, limits=limits), damaged_files(scene, rng, count)):
            outcomes += 1
            assert not isinstance(outcome, DecodeTimeout), f"{len(data)} bytes hung a worker"
            assert isinstance(outcome, Picture | FiligraneError)
            if isinstance(outcome, FiligraneError):
                sentence = str(outcome)
                assert sentence.isprintable()
                assert sentence.endswith(".")
                assert len(sentence) < 400
        for _, status in pool.map(Path.read_text, [Path("/proc/self/status")] * 2):
            assert isinstance(status, str)
            peak_kib = int(status.partition("VmHWM:")[2].split()[0])
            assert peak_kib * 1024 < MEMORY_BYTES
    assert outcomes == count
