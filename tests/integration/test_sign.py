"""Laws of signing: what is signed reads back, what is changed afterwards is caught, what was there is kept."""

from __future__ import annotations

import io
import json
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from PIL import Image, PngImagePlugin

from filigrane.core.errors import SigningError, UnsupportedFormat, UsageError
from filigrane.core.image import decode, encode
from filigrane.core.values import Integrity, Pixels, Trust
from filigrane.provenance import containers, keys, trust, xmp
from filigrane.provenance.certificates import Algorithm, Credential, Holder, issue
from filigrane.provenance.labels import Labels, Tc260
from filigrane.provenance.manifest import Declaration, Disclosure, Relationship, SoftBinding, Software, Source
from filigrane.provenance.read import MEDIA_TYPES_READ, read_manifest
from filigrane.provenance.sign import ExternalKey, KeyFile, Signer
from filigrane.provenance.source_types import SourceType
from filigrane.provenance.trust import TrustStore

FORMATS = ("png", "jpeg", "webp", "avif", "heic", "tiff", "gif")
MODEL = Software("Stable Diffusion", "1.5")
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
AI = SourceType.TRAINED_ALGORITHMIC_MEDIA
DECLARED = Declaration(
    MODEL,
    Software("Filigrane", "0.1"),
    AT,
    AI,
    title="apple",
    soft_bindings=(SoftBinding("io.filigrane.spread.1", "1*0101"),),
    disclosure=Disclosure("Test Org", MODEL, AT, "id-7"),
)
LABELS = Labels(AI, MODEL.name, MODEL.version, "a red apple", "Ada", Tc260("Test Org", "id-7"))


class Bench:
    """Keys in a folder of their own, and a signer that uses them."""

    def __init__(self, home: Path, algorithm: Algorithm = Algorithm.ES256) -> None:
        self.home = home
        self.credential = keys.create(home / "keys", Holder("Test Org"), algorithm=algorithm)
        self.trust = trust.load(home)
        self.signer = Signer(KeyFile(self.credential), self.trust)

    def short_lived(self, ends_in: timedelta) -> Credential:
        """A leaf that ends soon."""
        files = keys.KeyFiles(self.home / "keys")
        authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
        key: Any = load_pem_private_key(files.authority_key.read_bytes(), None)
        day = timedelta(days=1)
        return issue(Holder("Test Org"), (authority, key), starts_at=datetime.now(UTC) - day, life=day + ends_in)


def wait_for_the_end_of(credential: Credential) -> None:
    """Certificates count whole seconds, the last one included."""
    end = credential.leaf.not_valid_after_utc + timedelta(seconds=1.1)
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("home"))


@pytest.fixture
def small(scene: Pixels) -> Pixels:
    return scene[60:140, 180:280].copy()


@pytest.fixture
def signed(bench: Bench, small: Pixels) -> bytes:
    return bench.signer.sign_bytes(encode(small, "png"), "png", declaration=DECLARED).data


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_reads_back_with_its_labels_and_pixels(bench: Bench, small: Pixels, format: str) -> None:
    data = encode(small, format)
    made = bench.signer.sign_bytes(data, format, declaration=DECLARED, labels=LABELS)
    found = read_manifest(made.data, format, bench.trust)
    assert found == made.reading
    assert (made.reading.integrity, made.reading.trust) == (Integrity.INTACT, Trust.TRUSTED)
    assert made.reading.source_types == (AI.uri,)
    assert made.reading.soft_bindings == (("io.filigrane.spread.1", "1*0101"),)
    assert (made.reading.generator, made.reading.software_agents) == ("Filigrane 0.1", ("Stable Diffusion 1.5",))
    assert (made.reading.signed_at, made.reading.time_stamped) == (AT, False)
    assert np.array_equal(decode(made.data).pixels, decode(data).pixels)
    packet = containers.read(made.data, format).xmp
    assert packet is not None
    written = {item.label: item.value for item in xmp.parse(packet)}
    assert written["Iptc4xmpExt:DigitalSourceType"] == AI.uri
    assert written["Iptc4xmpExt:AISystemUsed"] == "Stable Diffusion"
    assert written["Iptc4xmpExt:AISystemVersionUsed"] == "1.5"
    assert written["Iptc4xmpExt:AIPromptInformation"] == "a red apple"
    assert written["Iptc4xmpExt:AIPromptWriterName"] == "Ada"
    assert json.loads(written["TC260:AIGC"])["ContentProducer"] == "Test Org"


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_every_algorithm_is_trusted_with_our_authority_and_unknown_without(
    tmp_path: Path, small: Pixels, algorithm: Algorithm
) -> None:
    own = Bench(tmp_path, algorithm)
    made = own.signer.sign_bytes(encode(small, "jpeg"), "jpeg", declaration=DECLARED)
    stranger = read_manifest(made.data, "jpeg", TrustStore())
    assert made.reading.trust is Trust.TRUSTED
    assert stranger is not None
    assert (stranger.integrity, stranger.trust) == (Integrity.INTACT, Trust.UNKNOWN)


def test_an_external_key_signs_like_a_file(tmp_path: Path, small: Pixels) -> None:
    own = Bench(tmp_path, Algorithm.ED25519)
    key: Any = load_pem_private_key(own.credential.key_pem, None)
    signer = Signer(ExternalKey(Algorithm.ED25519, own.credential.chain_pem, key.sign), own.trust)
    assert signer.sign_bytes(encode(small, "png"), "png", declaration=DECLARED).reading.trust is Trust.TRUSTED


def test_a_flipped_pixel_byte_is_tampering(bench: Bench, signed: bytes) -> None:
    start = signed.index(b"IDAT") + 4
    (size,) = struct.unpack(">I", signed[start - 8 : start - 4])
    for position in range(start, start + size, size // 7):
        changed = bytearray(signed)
        changed[position] ^= 1
        found = read_manifest(bytes(changed), "png", bench.trust)
        assert found is not None and found.integrity is Integrity.TAMPERED


@pytest.mark.parametrize("format", FORMATS)
def test_a_flipped_manifest_byte_is_caught_or_says_nothing(bench: Bench, small: Pixels, format: str) -> None:
    made = bench.signer.sign_bytes(encode(small, format), format, declaration=DECLARED)
    start = made.data.index(b"jumdc2pa") - 12
    positions = range(start, start + len(made.manifest), 41)
    unnoticed = 0
    for position in positions:
        changed = bytearray(made.data)
        changed[position] ^= 0x10
        found = read_manifest(bytes(changed), format, bench.trust)
        if found is not None and found.integrity is Integrity.INTACT:
            # Box headers that no reader interprets: what is read stays the same to the letter.
            assert found == made.reading
            unnoticed += 1
    assert unnoticed <= 0.1 * len(positions)


@pytest.mark.parametrize("format", ["png", "jpeg", "gif"])
def test_writing_into_the_padding_is_noticed(bench: Bench, small: Pixels, format: str) -> None:
    made = bench.signer.sign_bytes(encode(small, format), format, declaration=DECLARED)
    changed = bytearray(made.data)
    changed[made.data.index(bytes(64), made.data.index(b"cpad")) + 32] = 7
    found = read_manifest(bytes(changed), format, bench.trust)
    assert found is not None and found.integrity is Integrity.TAMPERED
    assert found.problems[-1].code == "manifest.padding.mismatch"


def test_padding_across_segments_is_no_tampering(bench: Bench, small: Pixels) -> None:
    data = encode(small, "jpeg")
    for _ in range(14):
        data = bench.signer.sign_bytes(data, "jpeg", declaration=DECLARED).data
    found = read_manifest(data, "jpeg", bench.trust)
    assert data.count(b"\xff\xeb") > 1
    assert found is not None and found.integrity is Integrity.INTACT


def test_a_swapped_ingredient_is_tampering(bench: Bench, small: Pixels, signed: bytes) -> None:
    other = bench.signer.sign_bytes(encode(small[::-1].copy(), "png"), "png", declaration=DECLARED)
    original = bench.signer.sign_bytes(encode(small, "png"), "png", declaration=DECLARED)
    child = bench.signer.sign_bytes(original.data, "png", declaration=DECLARED)
    ours, theirs = _first_manifest(original.manifest), _first_manifest(other.manifest)
    disguised = theirs.replace(other.reading.label.encode(), original.reading.label.encode())
    assert len(ours) == len(disguised) and child.data.count(ours) == 1
    found = read_manifest(child.data.replace(ours, disguised), "png", bench.trust)
    assert found is not None and found.integrity is Integrity.TAMPERED
    assert "ingredient.manifest.mismatch" in [item.code for item in found.ingredients[0].problems]


def _first_manifest(store: bytes) -> bytes:
    start = 8 + int.from_bytes(store[8:12], "big")
    return store[start : start + int.from_bytes(store[start : start + 4], "big")]


def test_an_expired_leaf_is_expired_and_not_tampering(bench: Bench, small: Pixels) -> None:
    leaf = bench.short_lived(timedelta(seconds=2))
    signer = Signer(KeyFile(leaf), bench.trust)
    made = signer.sign_bytes(encode(small, "png"), "png", declaration=DECLARED)
    wait_for_the_end_of(leaf)
    found = read_manifest(made.data, "png", bench.trust)
    assert found is not None
    assert (found.integrity, found.trust) == (Integrity.INTACT, Trust.EXPIRED)
    with pytest.raises(SigningError, match="keys renew"):
        signer.sign_bytes(encode(small, "png"), "png", declaration=DECLARED)


def test_signing_again_keeps_the_first_manifest_as_parent(bench: Bench, signed: bytes) -> None:
    again = bench.signer.sign_bytes(signed, "png", declaration=DECLARED, labels=LABELS)
    (parent,) = again.reading.ingredients
    assert (parent.relationship, parent.problems) == ("parentOf", ())
    assert parent.manifest is not None
    assert (parent.manifest.integrity, parent.manifest.trust) == (Integrity.INTACT, Trust.TRUSTED)
    assert again.reading.actions == ("c2pa.opened", "c2pa.edited", "c2pa.watermarked.bound")


def test_a_parent_that_was_tampered_with_is_kept_shown_and_warned_of(bench: Bench, signed: bytes) -> None:
    broken = bytearray(signed)
    broken[signed.index(b"IDAT") + 40] ^= 1
    again = bench.signer.sign_bytes(bytes(broken), "png", declaration=DECLARED)
    (parent,) = again.reading.ingredients
    assert again.reading.integrity is Integrity.INTACT
    assert [item.code for item in parent.problems] == ["assertion.dataHash.mismatch"]
    assert parent.manifest is not None and parent.manifest.integrity is Integrity.TAMPERED
    assert "broken before it was added" in again.warnings[0]


def test_parent_and_inputs_are_recorded(bench: Bench, small: Pixels, signed: bytes) -> None:
    sources = (
        Source(signed, "png", "photo"),
        Source(encode(small, "jpeg"), "jpeg", "style", Relationship.INPUT),
    )
    kind = SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
    made = bench.signer.sign_bytes(
        encode(small, "webp"), "webp", declaration=replace(DECLARED, sources=sources, source_type=kind)
    )
    assert [(item.title, item.relationship) for item in made.reading.ingredients] == [
        ("photo", "parentOf"),
        ("style", "inputTo"),
    ]
    assert made.reading.own_source_types == (kind.uri,)
    assert made.reading.source_types == (kind.uri, AI.uri)


@pytest.mark.parametrize("format", FORMATS)
def test_a_sidecar_stands_beside_the_file(bench: Bench, small: Pixels, format: str) -> None:
    made = bench.signer.sign_bytes(encode(small, format), format, declaration=DECLARED, labels=LABELS, sidecar=True)
    assert read_manifest(made.data, format, bench.trust) is None
    assert read_manifest(made.data, format, bench.trust, made.manifest) == made.reading
    other = encode(small[:, ::-1].copy(), format)
    found = read_manifest(other, format, bench.trust, made.manifest)
    assert found is not None and found.integrity is Integrity.TAMPERED and found.trust is Trust.TRUSTED


def test_a_sidecar_for_a_signed_file_takes_its_manifest_along(bench: Bench, signed: bytes) -> None:
    made = bench.signer.sign_bytes(signed, "png", declaration=DECLARED, sidecar=True)
    assert made.reading.ingredients[0].manifest is not None
    assert read_manifest(made.data, "png", bench.trust) is None


def test_formats_without_manifests_give_one_sentence(bench: Bench, small: Pixels) -> None:
    with pytest.raises(UnsupportedFormat, match="BMP"):
        bench.signer.sign_bytes(encode(small, "bmp"), "bmp", declaration=DECLARED)
    assert read_manifest(encode(small, "bmp"), "bmp", bench.trust) is None


def test_a_signer_that_is_not_trusted_here_signs_nothing(bench: Bench, small: Pixels) -> None:
    with pytest.raises(SigningError, match="trust import"):
        Signer(KeyFile(bench.credential), TrustStore()).sign_bytes(encode(small, "png"), "png", declaration=DECLARED)


def test_a_damaged_file_is_not_signed(bench: Bench, small: Pixels) -> None:
    with pytest.raises(SigningError):
        bench.signer.sign_bytes(encode(small, "png")[:40], "png", declaration=DECLARED)


def test_a_manifest_kept_elsewhere_is_named_and_not_fetched(bench: Bench, small: Pixels) -> None:
    address = "https://example.org/manifest.c2pa"
    packet = xmp.with_properties(None, [xmp.Property(xmp.DCTERMS, "provenance", address)])
    found = read_manifest(containers.with_xmp(encode(small, "png"), "png", packet), "png", bench.trust)
    assert found is not None and found.integrity is Integrity.UNVERIFIED
    assert found.problems[0].code == "manifest.inaccessible" and address in found.problems[0].explanation


@pytest.mark.parametrize("format", FORMATS)
def test_no_cut_makes_the_reader_fail_or_be_fooled(bench: Bench, small: Pixels, format: str) -> None:
    data = bench.signer.sign_bytes(encode(small, format), format, declaration=DECLARED).data
    for size in range(0, len(data), len(data) // 23):
        found = read_manifest(data[:size], format, bench.trust)
        assert found is None or found.integrity is not Integrity.INTACT


def test_a_stray_store_is_pointed_out(bench: Bench, small: Pixels, signed: bytes) -> None:
    start = signed.index(b"caBX") - 4
    (size,) = struct.unpack(">I", signed[start : start + 4])
    hidden = b"zzZz" + signed[start + 8 : start + 8 + size]
    chunk = struct.pack(">I", size) + hidden + struct.pack(">I", zlib.crc32(hidden))
    found = read_manifest(signed[:start] + chunk + signed[start + size + 12 :], "png", bench.trust)
    assert found is not None and found.problems[0].code == "manifest.unreadable"


def test_text_and_profile_are_kept(bench: Bench, small: Pixels) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "keep me")
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "PNG", pnginfo=text)
    made = bench.signer.sign_bytes(buffer.getvalue(), "png", declaration=DECLARED, labels=LABELS)
    assert "keep me" in [entry.text for entry in containers.read(made.data, "png").texts]


def test_the_manifest_has_what_the_conformance_rubric_asks_for(bench: Bench, small: Pixels) -> None:
    made = bench.signer.sign_bytes(encode(small, "png"), "png", declaration=DECLARED)
    reader = c2pa.Reader("image/png", io.BytesIO(made.data), None, bench.trust.context())
    report = json.loads(reader.json())
    manifest = report["manifests"][report["active_manifest"]]
    data = {item["label"]: item for item in manifest["assertions"]}
    info = manifest["claim_generator_info"][0]
    first, second = data["c2pa.actions.v2"]["data"]["actions"]
    assert report["validation_state"] == "Trusted"
    assert report["validation_results"]["activeManifest"]["failure"] == []
    assert (info["name"], info["version"], info["specVersion"]) == ("Filigrane", "0.1", "2.4")
    assert manifest["claim_version"] == 2
    assert all(item.get("created") for item in data.values())
    assert data["c2pa.actions.v2"]["data"]["allActionsIncluded"] is True
    assert first["action"] == "c2pa.created"
    assert first["digitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert first["softwareAgent"] == {"name": "Stable Diffusion", "version": "1.5"}
    assert first["when"] == "2026-11-25T12:00:00Z"
    assert second["action"] == "c2pa.watermarked.bound"
    assert data["c2pa.soft-binding"]["data"]["blocks"] == [{"scope": {}, "value": "1*0101"}]
    assert "cawg.training-mining" in data
    assert data["io.filigrane.disclosure"]["data"]["provider"] == "Test Org"
    assert "thumbnail" not in manifest
    assert manifest["signature_info"]["issuer"] == "Test Org"


@pytest.mark.parametrize(
    "make",
    [
        lambda bench: Signer(KeyFile(bench.credential), bench.trust, require_timestamp=True),
        lambda bench: Signer(KeyFile(bench.credential), bench.trust, timestamp_url="ftp://127.0.0.1/"),
    ],
)
def test_time_stamp_options_must_make_sense(bench: Bench, make: Callable[[Bench], Signer]) -> None:
    with pytest.raises(UsageError):
        make(bench)


def test_all_formats_but_bmp_are_read() -> None:
    assert set(MEDIA_TYPES_READ) == set(FORMATS)
