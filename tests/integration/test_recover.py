"""From a stripped picture back to its manifest; a copied mark is called one, and nothing is ever found wrongly."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from filigrane.app.mark import Draft, Marker
from filigrane.app.recover import Recovered, Recoverer, Route, State, recover_file
from filigrane.core.errors import UnreadableInput, WatermarkError
from filigrane.core.image import decode, encode
from filigrane.core.settings import Settings, load
from filigrane.core.values import Evidence, Finding, Picture, Pixels, Trust
from filigrane.detector.base import Context, build_sources
from filigrane.detector.policy import load_policy
from filigrane.perturb.table import row
from filigrane.provenance import keys, trust
from filigrane.provenance.certificates import Holder
from filigrane.provenance.fingerprint import Look
from filigrane.provenance.manifest import Declaration, Software
from filigrane.provenance.registry import IssuedMark, Registry
from filigrane.provenance.source_types import SourceType
from filigrane.provenance.trust import TrustStore

Scene = NDArray[np.uint8]


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings with signing keys in place."""
    keys.create(home / "keys", Holder("Tests"))
    return load()


@pytest.fixture
def marker(settings: Settings) -> Iterator[Marker]:
    with Marker.open(settings) as opened:
        yield opened


@pytest.fixture
def recoverer(settings: Settings) -> Iterator[Recoverer]:
    with Recoverer.open(settings) as opened:
        yield opened


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    with Registry.open(settings.home) as opened:
        yield opened


def marked(marker: Marker, pixels: Pixels, target: Path, format: str = "png") -> IssuedMark:
    software = Software("Tests", "1")
    said = Declaration(software, software, datetime.now(UTC), SourceType.TRAINED_ALGORITHMIC_MEDIA, target.name)
    return marker.mark(Draft(pixels, format, said, quality=95), target).mark


def stripped(pixels: Pixels, format: str = "png") -> Picture:
    """The same pixels in a file that carries nothing else."""
    return decode(encode(pixels, format, quality=95))


def scenes(scene: Scene) -> list[Scene]:
    """Three pictures that have little in common."""
    y, x = np.mgrid[0:400, 0:600].astype(np.float64)
    waves = np.stack([127 + 90 * np.sin(x / 37 + y / 91), 127 + 80 * np.cos(y / 23), 60 + x / 4], axis=-1)
    rng = np.random.default_rng(3)
    blocks = np.kron(rng.integers(30, 220, (9, 7, 3)), np.ones((40, 50, 1))) + rng.normal(0, 6, (360, 350, 3))
    return [scene, *(np.clip(picture, 0, 255).astype(np.uint8) for picture in (waves, blocks))]


def test_the_very_bytes_are_recognised(marker: Marker, recoverer: Recoverer, tmp_path: Path, scene: Scene) -> None:
    mark = marked(marker, scene, tmp_path / "out.png")
    found = recoverer(decode((tmp_path / "out.png").read_bytes()))
    assert (found.state, found.route, found.mark, found.holds) == (State.IDENTICAL, Route.BYTES, mark, True)


@pytest.mark.parametrize("format", ["png", "jpeg", "avif"])
def test_a_stripped_and_reposted_picture_gets_its_manifest_back(
    marker: Marker, recoverer: Recoverer, tmp_path: Path, scene: Scene, format: str
) -> None:
    marks = {}
    for number, picture in enumerate(scenes(scene)):
        target = tmp_path / f"{number}"
        marks[target] = marked(marker, picture, target, format)
    for number, (target, mark) in enumerate(marks.items()):
        repost = row("repost-60").apply(decode(target.read_bytes()).pixels, number)
        found = recoverer(stripped(repost, "jpeg"))
        assert (found.state, found.route, found.mark) == (State.SAME_PICTURE, Route.WATERMARK, mark)
        assert found.found and found.manifest is not None and found.manifest.label == mark.manifest_id
        assert "bytes differ" in found.summary and "signature holds" in found.summary


def test_a_mark_copied_to_another_picture_is_called_a_copy(
    marker: Marker, recoverer: Recoverer, tmp_path: Path, scene: Scene
) -> None:
    mark = marked(marker, scene, tmp_path / "out.png")
    added = decode((tmp_path / "out.png").read_bytes()).pixels.astype(int) - scene
    other = scenes(scene)[1][:240, :320]
    found = recoverer(stripped(np.clip(other + added, 0, 255).astype(np.uint8)))
    assert (found.state, found.mark, found.found) == (State.COPIED_MARK, mark, False)
    assert found.similarity is not None and found.similarity.look is Look.DIFFERENT
    assert "copied" in found.summary


def test_a_look_that_can_not_be_judged_is_said_to_be_so(
    marker: Marker, recoverer: Recoverer, tmp_path: Path, rng: np.random.Generator
) -> None:
    flat = np.clip(128 + rng.normal(0, 8, (256, 256, 1)) + np.zeros((1, 1, 3)), 0, 255).astype(np.uint8)
    try:
        mark = marked(marker, flat, tmp_path / "out.png")
    except WatermarkError:
        pytest.skip("the watermark refuses pictures of plain noise")
    found = recoverer(stripped(row("jpeg-90").apply(decode((tmp_path / "out.png").read_bytes()).pixels)))
    assert (found.state, found.mark, found.found) == (State.UNSURE, mark, True)
    assert "compare" in found.summary


def test_without_a_readable_mark_the_look_decides_and_is_called_weaker(
    marker: Marker, recoverer: Recoverer, tmp_path: Path, scene: Scene
) -> None:
    mark = marked(marker, scene, tmp_path / "out.png")
    found = recoverer(stripped(row("jpeg-90").apply(scene)))
    assert (found.state, found.route, found.mark) == (State.SAME_PICTURE, Route.LOOK, mark)
    assert "weaker" in found.summary


def test_an_unknown_picture_has_no_manifest(marker: Marker, recoverer: Recoverer, tmp_path: Path, scene: Scene) -> None:
    marked(marker, scene, tmp_path / "out.png")
    found = recoverer(stripped(scenes(scene)[2]))
    assert (found.state, found.found, found.mark, found.route) == (State.NOT_FOUND, False, None, None)


def test_a_revoked_mark_is_found_and_said_to_be_revoked(
    marker: Marker, recoverer: Recoverer, registry: Registry, tmp_path: Path, scene: Scene
) -> None:
    mark = marked(marker, scene, tmp_path / "out.png")
    registry.revoke(mark.id, "issued by mistake")
    found = recoverer(decode((tmp_path / "out.png").read_bytes()))
    assert found.found and "revoked" in found.summary and "issued by mistake" in found.summary


def test_a_mark_of_another_registry_is_not_found_here(
    marker: Marker, settings: Settings, tmp_path: Path, scene: Scene
) -> None:
    mark = marked(marker, scene, tmp_path / "out.png")
    with Recoverer.open(settings.model_copy(update={"home": tmp_path / "elsewhere"})) as elsewhere:
        found = elsewhere(decode((tmp_path / "out.png").read_bytes()))
    assert (found.state, found.found) == (State.NOT_ISSUED, False)
    assert f"{mark.id:015x}" in found.summary and "elsewhere" in found.summary


def test_a_mark_that_was_reserved_but_never_issued_was_not_handed_out(
    marker: Marker, recoverer: Recoverer, tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Registry, "issue", lambda self, mark: None)
    marked(marker, scene, tmp_path / "out.png")
    found = recoverer(decode((tmp_path / "out.png").read_bytes()))
    assert found.state is State.NOT_ISSUED and "reserved" in found.summary


def test_a_manifest_that_was_changed_in_the_registry_does_not_hold(
    marker: Marker, recoverer: Recoverer, registry: Registry, tmp_path: Path, scene: Scene
) -> None:
    first = marked(marker, scene, tmp_path / "first.png")
    data = decode((tmp_path / "first.png").read_bytes())
    damaged = bytearray(first.manifest)
    damaged[damaged.index(b"trainedAlgorithmicMedia")] ^= 1
    other = marked(marker, scenes(scene)[1], tmp_path / "other.png")
    for store in (bytes(damaged), other.manifest, b"", b"junk"):
        answers = _Fixed(replace(first, manifest=store))
        found = Recoverer(answers, recoverer._marks, TrustStore())(data)  # type: ignore[arg-type]
        assert not found.holds and not found.found
        assert "does not hold" in found.summary


class _Fixed:
    """A registry that has one mark, whatever it is asked."""

    def __init__(self, mark: IssuedMark) -> None:
        self._mark = mark

    def find_by_sha256(self, sha256: str) -> IssuedMark:
        return self._mark


def test_a_signer_nobody_vouches_for_is_said_to_be_unknown(
    marker: Marker, registry: Registry, recoverer: Recoverer, tmp_path: Path, scene: Scene
) -> None:
    marked(marker, scene, tmp_path / "out.png")
    stranger = Recoverer(registry, recoverer._marks, TrustStore())
    found = stranger(decode((tmp_path / "out.png").read_bytes()))
    assert found.manifest is not None and found.manifest.trust is Trust.UNKNOWN
    assert found.holds and "no authority in your list" in found.summary


def test_files_are_read_in_a_worker_and_bad_ones_give_one_sentence(
    marker: Marker, settings: Settings, tmp_path: Path, scene: Scene
) -> None:
    mark = marked(marker, scene, tmp_path / "out.png")
    assert recover_file(tmp_path / "out.png", settings).mark == mark
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name in ("bad.png", "none.png"):
        with pytest.raises(UnreadableInput):
            recover_file(tmp_path / name, settings)


def corpus(folder: Path, count: int) -> Iterator[tuple[str, Pixels]]:
    """Real pictures of the corpus at twice their size: after a repost a crop of 248 px would be too small to read."""
    with tarfile.open(folder / "corpus" / "devtest-real-00.tar") as shard:
        members = [member for member in shard if member.isfile()]
        for member in random.Random(4).sample(members, count):
            stream = shard.extractfile(member)
            assert stream is not None
            image = Image.open(io.BytesIO(stream.read())).convert("RGB")
            if min(image.size) >= 192:
                doubled = (2 * image.width, 2 * image.height)
                yield member.name, np.asarray(image.resize(doubled, Image.Resampling.LANCZOS))


@pytest.mark.slow
def test_a_hundred_pictures_of_the_corpus_come_back(
    marker: Marker, recoverer: Recoverer, tmp_path: Path, shared_data: Path
) -> None:
    outcomes: list[tuple[IssuedMark, Recovered]] = []
    refused = []
    for number, (name, pixels) in enumerate(corpus(shared_data, 130)):
        if len(outcomes) == 100:
            break
        target = tmp_path / f"{name}.png"
        try:
            mark = marked(marker, pixels, target)
        except WatermarkError as error:
            refused.append(f"{name}: {error}")
            continue
        repost = row("repost-60").apply(decode(target.read_bytes()).pixels, number)
        outcomes.append((mark, recoverer(stripped(repost))))
    right = sum(found.found and found.mark == mark for mark, found in outcomes)
    assert len(outcomes) == 100 and len(refused) <= 5, refused
    assert not [found for mark, found in outcomes if found.mark is not None and found.mark != mark]
    assert right >= 97, (right, [(mark.title, found.state) for mark, found in outcomes if not found.found], refused)


def _evidence(settings: Settings, pixels: Pixels) -> Evidence:
    context = Context(load_policy(), trust.load(settings.home), settings.home)
    (source,) = build_sources(("watermark",), context)
    return source.examine(stripped(pixels))


def test_a_mark_speaks_of_ai_in_its_own_picture_until_it_is_revoked(
    marker: Marker, settings: Settings, registry: Registry, tmp_path: Path, scene: Scene
) -> None:
    mark = marked(marker, scene, tmp_path / "out.png")
    pixels = decode((tmp_path / "out.png").read_bytes()).pixels
    found = _evidence(settings, pixels)
    assert found.llr > 0 and "looks like this one" in found.summary
    registry.revoke(mark.id, "issued by mistake")
    found = _evidence(settings, pixels)
    assert found.llr == 0 and "issued by mistake" in found.summary


def test_a_copied_mark_says_nothing_of_the_picture_it_was_copied_to(
    marker: Marker, settings: Settings, tmp_path: Path, scene: Scene
) -> None:
    marked(marker, scene, tmp_path / "out.png")
    added = decode((tmp_path / "out.png").read_bytes()).pixels.astype(int) - scene
    other = np.clip(scenes(scene)[1][:240, :320] + added, 0, 255).astype(np.uint8)
    found = _evidence(settings, other)
    assert found.finding is Finding.PRESENT
    assert found.llr == 0 and "copied" in found.summary
