"""A marked file is watermarked, signed and registered, or it is not there at all."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from filigrane.app.mark import Draft, Marker, watermarker, writing_key
from filigrane.app.mark_job import Facts, Marked, MarkJob, Outcome, draft, plan, run
from filigrane.core.errors import FiligraneError, NotFound, SigningError, UnsupportedFormat, UsageError, WatermarkError
from filigrane.core.image import decode, encode
from filigrane.core.settings import Settings, load
from filigrane.core.values import Integrity, Pixels, Reading, Trust, sha256_hex
from filigrane.provenance import binding, containers, trust, xmp
from filigrane.provenance import keys as signing
from filigrane.provenance.certificates import Holder
from filigrane.provenance.manifest import Declaration, Software
from filigrane.provenance.read import read_manifest
from filigrane.provenance.registry import Registry
from filigrane.provenance.source_types import SourceType
from filigrane.watermark import keys

Scene = NDArray[np.uint8]
GENERATED = SourceType.TRAINED_ALGORITHMIC_MEDIA


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings with signing keys in place and one worker."""
    signing.create(home / "keys", Holder("Tests"))
    return load(workers=1)


@pytest.fixture
def marker(settings: Settings) -> Iterator[Marker]:
    with Marker.open(settings) as opened:
        yield opened


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    with Registry.open(settings.home) as opened:
        yield opened


def write(path: Path, pixels: Pixels, format: str = "png", **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(pixels, format, **options))  # type: ignore[arg-type]
    return path


def made(scene: Scene, **changes: object) -> Draft:
    software = Software("Tests", "1")
    declaration = Declaration(software, software, datetime.now(UTC), GENERATED, "A scene")
    return replace(Draft(scene, "png", declaration), **changes)  # type: ignore[arg-type]


def do(settings: Settings, *inputs: Path, output: Path, **options: object) -> list[Marked]:
    """Run a job to its end: one result per picture, by source."""
    job = MarkJob(tuple(map(str, inputs)), output, **options)  # type: ignore[arg-type]
    return sorted(run(job, settings), key=lambda marked: marked.source)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "avif", "tiff"])
def test_a_marked_file_carries_mark_manifest_and_row(
    settings: Settings, registry: Registry, tmp_path: Path, scene: Scene, format: str
) -> None:
    source, target = write(tmp_path / "in", scene, format), tmp_path / "out"
    (result,) = do(settings, source, output=target)
    assert (result.outcome, result.error) == (Outcome.MARKED, "")
    data = target.read_bytes()
    picture = decode(data)
    assert picture.format == format
    assert watermarker(settings).read(picture.pixels).payload == result.mark
    manifest = read_manifest(data, format, trust.load(settings.home))
    assert manifest is not None and result.mark is not None
    assert (manifest.integrity, manifest.trust) == (Integrity.INTACT, Trust.TRUSTED)
    assert manifest.actions == ("c2pa.opened", "c2pa.watermarked.bound")
    assert binding.names(manifest.soft_bindings, result.mark)
    mark = registry.find(result.mark)
    assert mark is not None
    assert (mark.sha256, mark.original_sha256) == (sha256_hex(data), sha256_hex(source.read_bytes()))
    assert (mark.manifest_id, mark.format, mark.key_id) == (manifest.label, format, keys.PUBLIC_KEY.id)
    assert not list(tmp_path.rglob("*.part"))


def test_the_facts_are_in_manifest_metadata_and_registry(
    settings: Settings, registry: Registry, tmp_path: Path, scene: Scene
) -> None:
    facts = Facts("Dawn", GENERATED, "Org", "Model", "7", tc260=True)
    (result,) = do(settings, write(tmp_path / "in.png", scene), output=tmp_path / "out.png", facts=facts)
    data = (tmp_path / "out.png").read_bytes()
    manifest = read_manifest(data, "png", trust.load(settings.home))
    mark = registry.find(result.mark or 0)
    assert manifest is not None and mark is not None
    assert (manifest.title, manifest.actions[0], manifest.source_types) == ("Dawn", "c2pa.created", (GENERATED.uri,))
    assert (mark.title, mark.provider, mark.system, mark.system_version) == ("Dawn", "Org", "Model", "7")
    properties = xmp.parse(containers.read(data, "png").xmp or b"")
    assert xmp.values(properties, xmp.IPTC_EXT, xmp.AI_SYSTEM_USED) == ("Model",)
    assert f'"ProduceID": "{result.mark:015x}"' in xmp.values(properties, xmp.TC260, "AIGC")[0]
    assert f"{result.mark:015x}".encode() in mark.manifest


def test_alpha_stays_and_lossless_stays_lossless(settings: Settings, tmp_path: Path, scene: Scene) -> None:
    alpha = np.tile(np.arange(320, dtype=np.uint32) * 255 // 319, (240, 1)).astype(np.uint8)
    source = write(tmp_path / "in.webp", scene, "webp", alpha=alpha, quality=None)
    do(settings, source, output=tmp_path / "out.webp")
    data = (tmp_path / "out.webp").read_bytes()
    found = decode(data)
    assert found.alpha is not None and np.array_equal(found.alpha, alpha)
    assert b"VP8L" in data and b"VP8 " not in data


def test_a_turned_photo_comes_out_upright_with_its_camera(settings: Settings, tmp_path: Path, scene: Scene) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[274], exif[271] = 6, "Maker"
    Image.fromarray(scene).save(out, "JPEG", quality=85, exif=exif)
    (tmp_path / "in.jpg").write_bytes(out.getvalue())
    do(settings, tmp_path / "in.jpg", output=tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (240, 320)
        assert (image.getexif()[274], image.getexif()[271]) == (1, "Maker")


def test_an_earlier_manifest_becomes_the_parent(
    settings: Settings, tmp_path: Path, scene: Scene, marker: Marker
) -> None:
    first = tmp_path / "first.png"
    marker.mark(made(scene), first)
    other = np.ascontiguousarray(scene[::-1])
    signed = decode(first.read_bytes())
    marker.mark(replace(draft(signed, Facts()), pixels=other), tmp_path / "second.png")
    manifest = read_manifest((tmp_path / "second.png").read_bytes(), "png", trust.load(settings.home))
    assert manifest is not None
    (parent,) = manifest.ingredients
    assert parent.relationship == "parentOf" and parent.manifest is not None
    assert parent.manifest.integrity is Integrity.INTACT


def test_marking_twice_never_hands_over_a_mark_that_reads_as_another(
    settings: Settings, marker: Marker, tmp_path: Path, scene: Scene
) -> None:
    marker.mark(made(scene), tmp_path / "first.png")
    once = decode((tmp_path / "first.png").read_bytes()).pixels
    try:
        mark = marker.mark(made(once), tmp_path / "second.png").mark
    except WatermarkError:
        assert not (tmp_path / "second.png").exists()
    else:
        assert watermarker(settings).read(decode((tmp_path / "second.png").read_bytes()).pixels).payload == mark.id


def test_a_folder_keeps_its_shape_and_one_bad_file_stops_nothing(
    settings: Settings, tmp_path: Path, scene: Scene
) -> None:
    write(tmp_path / "in" / "a.png", scene)
    write(tmp_path / "in" / "deep" / "b.png", np.ascontiguousarray(scene[:, ::-1]))
    (tmp_path / "in" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    write(tmp_path / "in" / "small.png", scene[:50, :50])
    bad, deep, small = (tmp_path / "in" / name for name in ("bad.png", "deep/b.png", "small.png"))
    results = {Path(result.source): result for result in do(settings, tmp_path / "in", output=tmp_path / "out")}
    assert files(tmp_path / "out") == ["a.png", "deep/b.png"]
    assert results[deep].outcome is Outcome.MARKED
    assert (results[bad].outcome, results[bad].exit_code) == (Outcome.FAILED, 3)
    assert (results[small].outcome, results[small].exit_code) == (Outcome.FAILED, 4)
    assert "pixels" in results[small].error


def test_resuming_marks_each_picture_once(settings: Settings, registry: Registry, tmp_path: Path, scene: Scene) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    write(folder / "a.png", scene)
    (first,) = do(settings, folder, output=out)
    write(folder / "b.png", np.ascontiguousarray(scene[::-1]))
    again, new = do(settings, folder, output=out, resume=True)
    assert (again.outcome, again.mark) == (Outcome.DONE_BEFORE, first.mark)
    assert new.outcome is Outcome.MARKED
    assert {mark.id for mark in registry.export()} == {first.mark, new.mark}
    assert files(out) == ["a.png", "b.png"]


def test_without_resume_nothing_is_overwritten(settings: Settings, tmp_path: Path, scene: Scene) -> None:
    source, target = write(tmp_path / "in.png", scene), tmp_path / "out.png"
    target.write_bytes(b"precious")
    for resume in (False, True):
        (result,) = do(settings, source, output=target, resume=resume)
        assert (result.outcome, result.exit_code) == (Outcome.FAILED, 2)
        assert target.read_bytes() == b"precious"


def test_a_run_that_died_before_the_last_step_is_finished(
    marker: Marker, registry: Registry, tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, original = tmp_path / "out.png", encode(scene, "png")
    with monkeypatch.context() as patch:
        patch.setattr("filigrane.app.mark.place", lambda part, target: None)
        mark = marker.mark(made(scene, original=original), target).mark
    assert not target.exists() and registry.find(mark.id) is not None
    assert marker.finish(target, sha256_hex(original)) == registry.find(mark.id)
    assert sha256_hex(target.read_bytes()) == mark.sha256
    assert not list(tmp_path.rglob("*.part"))


def test_a_run_that_died_before_registering_leaves_nothing(
    marker: Marker, registry: Registry, tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, original = tmp_path / "out.png", encode(scene, "png")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Registry, "issue", lambda self, mark: (_ for _ in ()).throw(KeyboardInterrupt))
        marker.mark(made(scene, original=original), target)
    assert not target.exists() and list(tmp_path.glob(".out.png*"))
    assert marker.finish(target, sha256_hex(original)) is None
    assert not list(tmp_path.glob(".out.png*")) and not list(registry.export())


def test_a_registry_that_fails_leaves_no_file(
    marker: Marker, tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Registry, "issue", lambda self, mark: (_ for _ in ()).throw(FiligraneError("down")))
    with pytest.raises(FiligraneError, match="down"):
        marker.mark(made(scene), tmp_path / "out.png")
    assert not list(tmp_path.glob("*.png")) and not list(tmp_path.glob(".out*"))


def test_a_mark_that_does_not_read_back_is_not_handed_over(
    marker: Marker, tmp_path: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filigrane.watermark.methods.spread.Spread.read", lambda self, pixels: Reading(None, 1.0))
    monkeypatch.setattr("filigrane.watermark.methods.spread.Spread.embed", lambda self, pixels, payload: pixels)
    with pytest.raises(WatermarkError, match="can't be read back"):
        marker.mark(made(scene), tmp_path / "out.png")
    assert not list(tmp_path.glob("*.png"))


def test_a_signer_that_is_not_trusted_signs_nothing(settings: Settings, tmp_path: Path, scene: Scene) -> None:
    (settings.home / "keys" / "ca.pem").unlink()
    with Marker.open(settings) as marker, pytest.raises(SigningError):
        marker.mark(made(scene), tmp_path / "out.png")
    assert not list(tmp_path.glob("*.png"))


def test_without_signing_keys_the_sentence_says_how_to_make_them(home: Path, tmp_path: Path, scene: Scene) -> None:
    with pytest.raises(NotFound, match="filigrane keys init"):
        do(load(workers=1), write(tmp_path / "in.png", scene), output=tmp_path / "out.png")


def test_the_key_that_writes_is_the_one_asked_for(home: Path) -> None:
    folder = keys.key_folder(home)
    assert writing_key(keys.load_ring(folder)) is keys.PUBLIC_KEY
    with pytest.raises(UsageError, match="private"):
        writing_key(keys.load_ring(folder), profile="private")
    old = keys.create(folder, now=datetime(2026, 1, 1, tzinfo=UTC))
    new = keys.create(folder, now=datetime(2026, 2, 1, tzinfo=UTC))
    ring = keys.load_ring(folder)
    assert writing_key(ring) == writing_key(ring, profile="private") == new
    assert writing_key(ring, profile="public") == keys.PUBLIC_KEY
    assert writing_key(ring, key_id=old.id) == old
    with pytest.raises(NotFound):
        writing_key(ring, key_id="none")


def test_a_private_mark_names_its_key_and_says_nothing_to_others(
    settings: Settings, registry: Registry, tmp_path: Path, scene: Scene
) -> None:
    key = keys.create(keys.key_folder(settings.home))
    with Marker.open(settings, profile="private") as marker:
        mark = marker.mark(made(scene), tmp_path / "out.png").mark
    pixels = decode((tmp_path / "out.png").read_bytes()).pixels
    assert mark.key_id == key.id
    assert watermarker(settings).read(pixels).payload == mark.id
    (keys.key_folder(settings.home) / f"{key.id}.json").unlink()
    assert watermarker(settings).read(pixels).payload is None


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts(tc260=True), "TC260"),
        (Facts(tc260=True, provider="P", source_type=SourceType.DIGITAL_CAPTURE), "TC260"),
        (Facts(system="S"), "--provider"),
    ],
)
def test_facts_that_do_not_go_together_are_refused(
    settings: Settings, tmp_path: Path, scene: Scene, facts: Facts, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        do(settings, write(tmp_path / "in.png", scene), output=tmp_path / "out.png", facts=facts)


@pytest.mark.parametrize("format", ["bmp", "gif"])
def test_what_can_not_be_signed_or_would_lose_frames_is_refused(scene: Scene, format: str) -> None:
    out = io.BytesIO()
    frames = [Image.fromarray(scene), Image.fromarray(scene[::-1])]
    frames[0].save(out, format, **({"save_all": True, "append_images": frames[1:]} if format == "gif" else {}))
    with pytest.raises(UnsupportedFormat):
        draft(decode(out.getvalue()), Facts())


def test_targets_never_collide_with_each_other_or_with_sources(tmp_path: Path, scene: Scene) -> None:
    one, two = write(tmp_path / "a" / "x.png", scene), write(tmp_path / "b" / "x.png", scene)
    with pytest.raises(UsageError, match="both"):
        plan(MarkJob((str(one), str(two)), tmp_path / "out"))
    with pytest.raises(UsageError, match="stay as they are"):
        plan(MarkJob((str(one),), one))
    with pytest.raises(UsageError, match="stay as they are"):
        plan(MarkJob((str(tmp_path / "a"),), tmp_path / "a"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no pictures"):
        plan(MarkJob((str(tmp_path / "empty"),), tmp_path / "out"))


def test_a_folder_can_be_marked_into_the_folder_above_it(tmp_path: Path, scene: Scene) -> None:
    source = write(tmp_path / "a" / "x.png", scene)
    assert plan(MarkJob((str(tmp_path / "a"),), tmp_path)) == ((source, tmp_path / "x.png"),)


def test_an_output_folder_inside_the_input_is_not_marked_again(tmp_path: Path, scene: Scene) -> None:
    write(tmp_path / "a" / "x.png", scene)
    write(tmp_path / "a" / "out" / "x.png", scene)
    assert plan(MarkJob((str(tmp_path / "a"),), tmp_path / "a" / "out")) == (
        (tmp_path / "a" / "x.png", tmp_path / "a" / "out" / "x.png"),
    )


@pytest.mark.parametrize(("quality", "wanted"), [(100, 95), (90, 90), (82, 82), (40, 75)])
def test_a_jpeg_is_written_at_its_own_quality(scene: Scene, quality: int, wanted: int) -> None:
    assert draft(decode(encode(scene, "jpeg", quality=quality)), Facts()).quality == wanted


def test_marked_files_keep_ordinary_rights(settings: Settings, tmp_path: Path, scene: Scene) -> None:
    do(settings, write(tmp_path / "in.png", scene), output=tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "out.png").stat().st_nlink == 1


DYING = """
import sys
from pathlib import Path
from filigrane.app.mark_job import MarkJob, run
from filigrane.core.settings import load

for result in run(MarkJob((sys.argv[1],), Path(sys.argv[2])), load(workers=2)):
    print(result.target, flush=True)
"""


def test_a_killed_run_is_finished_by_the_next_and_marks_each_picture_once(
    settings: Settings, registry: Registry, tmp_path: Path, scene: Scene
) -> None:
    for number in range(8):
        write(tmp_path / "in" / f"{number}.png", np.roll(scene, 29 * number, axis=1))
    command = [sys.executable, "-P", "-c", DYING, str(tmp_path / "in"), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.kill()
    results = do(settings, tmp_path / "in", output=tmp_path / "out", resume=True)
    before = [result for result in results if result.outcome is Outcome.DONE_BEFORE]
    assert len(before) >= 3 and {result.outcome for result in results} <= {Outcome.DONE_BEFORE, Outcome.MARKED}
    assert files(tmp_path / "out") == [f"{number}.png" for number in range(8)]
    for path in (tmp_path / "out").iterdir():
        mark = registry.find_by_sha256(sha256_hex(path.read_bytes()))
        assert mark is not None and mark.id in {result.mark for result in results}
        assert mark.original_sha256 == sha256_hex((tmp_path / "in" / path.name).read_bytes())
