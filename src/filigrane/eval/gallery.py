"""The pictures that a detector gets most wrong, because figures do not say why."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from filigrane.core.errors import FiligraneError
from filigrane.core.image import Limits, decode
from filigrane.eval.base import Benchmark, Sample, ignore
from filigrane.eval.page import Exhibit
from filigrane.eval.panel import Scale
from filigrane.eval.scores import Scores
from filigrane.eval.sweep import Plan

_SHOWN = 8
_THUMBNAIL_PX = 160
_SIDES = ((0, -1, "Real pictures with the highest scores"), (1, 1, "AI pictures with the lowest scores"))


def gallery(benchmark: Benchmark, plan: Plan, scores: Scores, scale: Scale) -> list[Exhibit]:
    """The real pictures with the highest scores and the AI ones with the lowest, under the first delivery."""
    part = scores.select(scores.delivery.equal(plan.deliveries[0].name))
    wanted: dict[str, tuple[int, str, str]] = {}
    for label, sign, heading in _SIDES:
        own = np.flatnonzero(part.label == label)
        for rank, row in enumerate(own[np.argsort(sign * part.score[own], kind="stable")][:_SHOWN]):
            words = (part.generator if label else part.kind).take(np.array([row]))
            told = f"{part.score[row]:+.2f}" + (" nats" if scale.llr else "") + f" · {next(iter(words))}"
            wanted[part.id[int(row)]] = (rank, heading, told)
    found: list[tuple[int, int, Exhibit]] = []
    for sample in benchmark.samples(plan.split, ignore):
        if sample.id in wanted:
            rank, heading, told = wanted[sample.id]
            found.append((sample.label, rank, Exhibit(heading, sample.id, told, _thumbnail(sample, plan.limits))))
            if len(found) == len(wanted):
                break
    return [exhibit for _, _, exhibit in sorted(found, key=lambda item: item[:2])]


def _thumbnail(sample: Sample, limits: Limits) -> str:
    try:
        image = Image.fromarray(decode(sample.read(limits), limits=limits).pixels)
    except FiligraneError:
        return ""
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    return base64.b64encode(stream.getvalue()).decode()
