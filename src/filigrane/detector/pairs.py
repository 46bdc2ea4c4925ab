"""Aligned pairs: real pictures and what an autoencoder makes of them, alike in content, size and compression.

The last stage of a latent generator is the decoder of its autoencoder, so a reconstruction carries a generator's
traces on a real picture's content (Dual Data Alignment, NeurIPS 2025): what differs between the two is nothing else.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from filigrane.core.files import write_atomically
from filigrane.core.image import encode
from filigrane.detector.corpus import Entry, stream
from filigrane.perturb.base import Attack, recode

COLUMNS = ("file", "label", "split", "source", "kind", "group", "origin_width", "origin_height")
_QUALITIES = (75, 96)


def write_pairs(
    entries: Sequence[Entry], regenerate: Attack, folder: Path, rng: np.random.Generator, *, per_source: int = 3
) -> int:
    """Write real ``entries``, at most ``per_source`` of each, regenerated, as a corpus ``folder``; returns how many.

    Each belongs to the group of its original, and has been JPEG once, as nearly all originals have.
    """
    taken: Counter[str] = Counter()
    chosen = []
    for index in rng.permutation(len(entries)):
        entry = entries[index]
        if entry.label == 0 and taken[entry.group] < per_source:
            taken[entry.group] += 1
            chosen.append(entry)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[object, ...]] = []
    for entry, pixels in stream(sorted(chosen, key=lambda one: (one.root, one.shard, one.file))):
        drawn = regenerate.apply(pixels, regenerate.strengths[0], rng)
        name, side = f"{len(rows):06}.png", entry.long_side_px or max(pixels.shape[:2])
        made = recode(drawn, "JPEG", int(rng.integers(*_QUALITIES)))
        write_atomically(folder / name, encode(made, "png"))
        rows.append((name, 1, entry.split, "aligned-pair", "aligned-pair", entry.group, side, side))
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as manifest:
        csv.writer(manifest).writerows([COLUMNS, *rows])
    return len(rows)
