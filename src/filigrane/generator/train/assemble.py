"""Puts the trained parts together as a Stable Diffusion folder that diffusers loads as it is, with its card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTokenizer

from filigrane.core.values import Json, sha256_hex
from filigrane.generator.train.denoiser import Pair, noise_schedule
from filigrane.generator.train.libraries import DPMSolverMultistepScheduler, StableDiffusionPipeline
from filigrane.generator.train.vocabulary import COLOURS, known_nouns

CARD = "card.json"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a picture generator consists of."""

    pair: Pair
    autoencoder: Any
    tokenizer: CLIPTokenizer
    merges: Path
    """The folder with ``vocab.json`` and ``merges.txt``."""


def solver() -> Any:
    """The default sampler: DPM-Solver++ of second order (Lu et al. 2022), few steps, ending without noise."""
    return DPMSolverMultistepScheduler.from_config(
        noise_schedule().config,
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="trailing",
        steps_offset=1,
    )


def pipeline(parts: Parts) -> Any:
    """The parts as a pipeline, without safety checker: the built-in model knows no people."""
    return StableDiffusionPipeline(
        vae=parts.autoencoder,
        text_encoder=parts.pair.words,
        tokenizer=parts.tokenizer,
        unet=parts.pair.unet,
        scheduler=solver(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def store(parts: Parts, folder: Path, facts: Mapping[str, Json]) -> None:
    """Write the folder and its card: ``facts``, the vocabulary, and SHA-256 of every weight file.

    All in half precision but the text encoder, which transformers would otherwise load as half beside full parts.
    """
    made = pipeline(parts).to(dtype=torch.float16)
    made.text_encoder.float()
    made.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(parts.merges / name, folder / "tokenizer" / name)
    config = folder / "vae" / "config.json"
    kept = {name: value for name, value in json.loads(config.read_text()).items() if name != "block_out_channels"}
    config.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    files = sorted(folder.rglob("*.safetensors"))
    for file in files:
        file.chmod(0o644)
    vocabulary: dict[str, Json] = {
        kind: tuple(sorted(noun for of, noun in known_nouns() if of == kind))
        for kind in ("produce", "fruit", "clothing", "flower", "emoji")
    }
    card: dict[str, Json] = {
        **facts,
        "colours": COLOURS,
        "knows": vocabulary,
        "sha256": {file.relative_to(folder).as_posix(): sha256_hex(file.read_bytes()) for file in files},
    }
    (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
