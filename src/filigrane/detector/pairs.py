"""Aligned pairs: real pictures and what an autoencoder makes of them, alike in content, size and compression.

The last stage of a latent generator is the decoder of its autoencoder, so a reconstruction carries a generator's
traces on a real picture's content (Dual Data Alignment, NeurIPS 2025): what differs between the two is nothing else.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin

from filigrane.core.files import write_atomically
from filigrane.core.image import encode
from filigrane.core.values import Picture, Pixels
from filigrane.detector.corpus import Entry, pictures
from filigrane.perturb.base import Attack, recode

COLUMNS = ("file", "label", "split", "source", "kind", "group", "origin_width", "origin_height")
AUTOENCODER = "autoencoder.json"
"""What a folder with an autoencoder trained here holds; one of diffusers holds config.json."""

_QUALITIES = (75, 96)


def write_pairs(
    entries: Sequence[Entry], regenerate: Attack, folder: Path, rng: np.random.Generator, *, per_source: int = 3
) -> int:
    """Write real ``entries``, at most ``per_source`` of each, regenerated, as a corpus ``folder``; returns how many.

    Each belongs to the group of its original, names the attack in its source, and has been JPEG as its original was;
    where that can't be known it has been JPEG once at a random quality, as nearly all originals have.
    """
    taken: Counter[str] = Counter()
    chosen = []
    for index in rng.permutation(len(entries)):
        entry = entries[index]
        if entry.label == 0 and taken[entry.group] < per_source:
            taken[entry.group] += 1
            chosen.append(entry)
    folder.mkdir(parents=True, exist_ok=True)
    source = f"aligned-pair-{regenerate.name}"
    rows: list[tuple[object, ...]] = []
    for entry, picture in pictures(sorted(chosen, key=lambda one: (one.root, one.shard, one.file))):
        drawn = regenerate.apply(picture.pixels, regenerate.strengths[0], rng)
        made = _compressed_like(picture, drawn)
        if made is None:
            made = recode(drawn, "JPEG", int(rng.integers(*_QUALITIES)))
        name, side = f"{len(rows):06}.png", entry.long_side_px or max(made.shape[:2])
        write_atomically(folder / name, encode(made, "png"))
        rows.append((name, 1, entry.split, source, "aligned-pair", entry.group, side, side))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as manifest:
        csv.writer(manifest).writerows([COLUMNS, *rows])
    return len(rows)


def _compressed_like(original: Picture, drawn: Pixels) -> Pixels | None:
    """``drawn`` as JPEG with the quantisation tables and chroma sampling of ``original``; None where that is no JPEG.

    A file that decodes may still hold tables that can't be written again; then too there is nothing to follow.
    """
    if original.format != "jpeg":
        return None
    buffer = io.BytesIO()
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(original.data)) as source:
            tables, sampling = source.quantization, JpegImagePlugin.get_sampling(source)
        Image.fromarray(drawn).save(buffer, "JPEG", qtables=tables, subsampling=sampling)
    except (OSError, SyntaxError, ValueError):
        return None
    return np.array(Image.open(buffer).convert("RGB"))
