"""Marks and containers on real files: every generator is named, unmarked files stay silent, writing keeps pixels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from filigrane.core.image import decode
from filigrane.core.values import Picture
from filigrane.provenance import containers, xmp
from filigrane.provenance.mark import find_marks, load_marks
from filigrane.provenance.metadata import read_metadata
from filigrane.provenance.xmp import Property, with_properties

# What the manifest calls each generator, and the tools that its metadata name.
TOOLS = {
    "A1111": {"AUTOMATIC1111"},
    "ComfyUI": {"ComfyUI"},
    "Doubao (TC260 AIGC XMP)": {"Doubao"},
    "Fooocus": {"Fooocus"},
    "InvokeAI": {"InvokeAI"},
    "Midjourney": {"Midjourney", "IPTC declaration"},
    "NovelAI": {"NovelAI"},
    "xAI Grok": {"xAI Grok"},
}
# Made from an AUTOMATIC1111 picture to test late text chunks; the manifest names no generator for it.
UNNAMED = {"sd-parsers/tests__resources__bad_images__text_after_idat.png": {"AUTOMATIC1111"}}


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[dict[str, str]]:
    """The rows of the manifest whose files are there and not empty, each content once."""
    folder = shared_data / "provenance"
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"the folder {folder} has no manifest.csv")
    with (folder / "manifest.csv").open(newline="") as file:
        unique = {row["sha256"]: row for row in csv.DictReader(file) if int(row["bytes"])}
    return [row for row in unique.values() if (folder / row["path"]).is_file()]


def pictures(
    rows: list[dict[str, str]], folder: Path, most_bytes: int = 2**25
) -> Iterator[tuple[dict[str, str], Picture]]:
    for row in rows:
        if int(row["bytes"]) <= most_bytes:
            yield row, decode((folder / row["path"]).read_bytes())


def test_every_mark_in_metadata_names_its_generator(rows: list[dict[str, str]], shared_data: Path) -> None:
    marks, named = load_marks(), set()
    for row, picture in pictures(rows, shared_data / "provenance"):
        metadata = read_metadata(picture)
        signed = row["what"].startswith("C2PA")
        expected = UNNAMED.get(row["path"], set() if signed else TOOLS.get(row["generator"], set()))
        assert {mark.tool for mark in find_marks(metadata, marks)} == expected, row["path"]
        assert metadata.has_c2pa == signed, row["path"]
        assert metadata.problems == (), row["path"]
        named.add(row["generator"])
    assert named >= set(TOOLS)


def test_personal_values_of_real_photos_stay_apart(rows: list[dict[str, str]], shared_data: Path) -> None:
    cameras = 0
    for row, picture in pictures(rows, shared_data / "provenance", 400_000):
        metadata = read_metadata(picture)
        serials = [entry for entry in metadata.personal if "Serial" in entry.keyword]
        cameras += metadata.camera is not None
        assert not [entry for entry in metadata.shown if "Serial" in entry.keyword], row["path"]
        assert metadata.camera is None or serials, row["path"]
    assert cameras


def test_writing_into_real_files_keeps_pixels(rows: list[dict[str, str]], shared_data: Path) -> None:
    added = Property(xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE, "digitalCapture")
    for row, picture in pictures(rows, shared_data / "provenance", 200_000):
        old = containers.read(picture.data, picture.format)
        packet = with_properties(old.xmp, [added])
        data = containers.with_xmp(picture.data, picture.format, packet)
        new = containers.read(data, picture.format)
        assert new.xmp == packet and new.texts == old.texts and new.has_c2pa == old.has_c2pa, row["path"]
        assert np.array_equal(decode(data).pixels, picture.pixels), row["path"]
        kept = {(item.namespace, item.name, item.value) for item in xmp.parse(old.xmp)} if old.xmp else set()
        assert kept <= {(item.namespace, item.name, item.value) for item in xmp.parse(packet)}, row["path"]
