"""The adapters of other packages, over packages that are stood in for."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from filigrane.core.errors import MissingExtra, UsageError, WatermarkError
from filigrane.watermark import base
from filigrane.watermark.peers import MissingPeer, from_bits, to_bits

Pixels = NDArray[np.uint8]


def _hide(pixels: Pixels, bits: list[int]) -> Pixels:
    out = pixels.copy()
    out[0, : len(bits), 0] = bits
    return out


class _Encoder:
    def set_watermark(self, kind: str, bits: list[int]) -> None:
        assert kind == "bits"
        self.bits = bits

    def encode(self, picture: Pixels, variant: str) -> Pixels:
        return _hide(picture, self.bits)


class _Decoder:
    def __init__(self, kind: str, count: int) -> None:
        self.count = count

    def decode(self, picture: Pixels, variant: str) -> list[int]:
        return [int(bit) for bit in picture[0, : self.count, 0]]


class _Blind:
    def __init__(self, password_img: int, password_wm: int) -> None:
        assert password_img == password_wm == 1

    def read_img(self, img: Pixels) -> None:
        self.img = img

    def read_wm(self, bits: list[int], mode: str) -> None:
        self.bits = bits

    def embed(self) -> NDArray[np.float64]:
        return _hide(self.img, self.bits).astype(float)

    def extract(self, embed_img: Pixels, wm_shape: int, mode: str) -> NDArray[np.float64]:
        return np.asarray(embed_img[0, :wm_shape, 0] * 0.9, np.float64)


class _TrustMark:
    Encoding = SimpleNamespace(BCH_5=1)

    def __init__(self, verbose: bool, model_type: str, encoding_type: int) -> None:
        assert model_type in "QP"

    def encode(self, picture: Image.Image, bits: str, MODE: str) -> Image.Image:  # noqa: N803
        return Image.fromarray(_hide(np.array(picture), [int(bit) for bit in bits]))

    def decode(self, picture: Image.Image, MODE: str) -> tuple[str, bool, int]:  # noqa: N803
        row = np.array(picture)[0, :61, 0]
        return "".join(map(str, row)), bool((row <= 1).all()), 1


STAND_INS: dict[str, tuple[str, dict[str, type]]] = {
    "invisible_watermark": ("imwatermark", {"WatermarkEncoder": _Encoder, "WatermarkDecoder": _Decoder}),
    "blind_watermark": ("blind_watermark", {"WaterMark": _Blind}),
    "trustmark": ("trustmark", {"TrustMark": _TrustMark}),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_an_adapter_hands_bits_over_and_back(name: str, scene: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    module, content = STAND_INS[name]
    stand_in = ModuleType(module)
    vars(stand_in).update(content)
    monkeypatch.setitem(sys.modules, module, stand_in)
    method = base.load(name)
    payload = (1 << method.payload_bits) // 3
    assert method.read(method.embed(scene, payload)).payload == payload
    with pytest.raises(UsageError):
        method.embed(scene, 1 << method.payload_bits)


def test_trustmark_states_how_weak_its_check_is(scene: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("trustmark")
    vars(stand_in).update({"TrustMark": _TrustMark})
    monkeypatch.setitem(sys.modules, "trustmark", stand_in)
    method = base.load("trustmark", variant="P")
    assert method.read(scene).payload is None
    assert method.read(method.embed(scene, 1)).p_value == pytest.approx(1.9e-3, rel=0.02)


@pytest.mark.parametrize("name", STAND_INS)
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, STAND_INS[name][0], None)
    with pytest.raises(MissingExtra, match="pip install"):
        base.load(name)


def test_an_unknown_variant_and_a_small_picture_are_refused(scene: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("imwatermark")
    vars(stand_in).update(STAND_INS["invisible_watermark"][1])
    monkeypatch.setitem(sys.modules, "imwatermark", stand_in)
    for name, options in (("invisible_watermark", {"variant": "best"}), ("invisible_watermark:best", {})):
        with pytest.raises(UsageError, match="dwtDctSvd"):
            base.load(name, **options)
    method = base.load("invisible_watermark")
    with pytest.raises(WatermarkError, match="256"):
        method.embed(scene[:100], 1)
    assert method.read(scene[:100]).payload is None


def test_a_picture_that_a_package_chokes_on_is_refused_or_reads_as_nothing(
    scene: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Choking(_Blind):
        def read_img(self, img: Pixels) -> None:
            raise AssertionError("too small")

        def extract(self, embed_img: Pixels, wm_shape: int, mode: str) -> NDArray[np.float64]:
            raise IndexError("too small")

    stand_in = ModuleType("blind_watermark")
    vars(stand_in).update({"WaterMark": Choking})
    monkeypatch.setitem(sys.modules, "blind_watermark", stand_in)
    method = base.load("blind_watermark")
    with pytest.raises(WatermarkError, match="too small"):
        method.embed(scene, 1)
    assert method.read(scene).payload is None


def test_the_error_crosses_processes() -> None:
    error = MissingPeer("The method", "package")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("payload", [0, 1, 5, 2**31, 2**32 - 1])
def test_bits_write_their_number(payload: int) -> None:
    assert from_bits(to_bits(payload, 32)) == payload
