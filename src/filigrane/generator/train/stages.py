"""The stages of the training in order, each reading and writing one work folder, so that any can be run again alone.

``pack`` (once) → ``prepare`` (basis, tokenizer: seconds) → ``denoiser``, ``decoder`` (hours, resumable) → ``export``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from filigrane.core.errors import NotFound
from filigrane.core.values import Json, Pixels
from filigrane.generator import data
from filigrane.generator.train import assemble, autoencoder, basis, denoiser, sampling, text
from filigrane.generator.train.libraries import AutoencoderTiny, UNet2DConditionModel
from filigrane.generator.train.loop import Plan
from filigrane.generator.train.vocabulary import caption

BASIS = "basis.safetensors"
CAPTIONS_PER_SUBJECT = 40
FITTED_ON = 4
"""Every so many training pictures go into the basis."""


@dataclass(frozen=True, slots=True)
class Work:
    """Where the stages keep their files."""

    folder: Path

    @property
    def pack(self) -> data.Pack:
        """The packed pictures."""
        return data.load(self.folder / "pack")

    @property
    def small(self) -> Pixels:
        """The packed pictures averaged to 64 px, made when first asked for."""
        path = self.folder / "small64.npy"
        if not path.is_file():
            pixels = self.pack.pixels
            parts = [basis.small(np.asarray(pixels[start : start + 64])) for start in range(0, len(pixels), 64)]
            np.save(path, np.concatenate(parts))
        small: Pixels = np.load(path, mmap_mode="r")
        return small

    @property
    def basis(self) -> basis.Basis:
        """The encoder's basis."""
        return basis.load(self._there(BASIS))

    @property
    def tokenizer(self) -> CLIPTokenizer:
        """The learned tokenizer."""
        loaded: CLIPTokenizer = CLIPTokenizer.from_pretrained(self._there("tokenizer"))
        return loaded

    def _there(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise NotFound(f"{path} is missing: run the stage 'prepare' first.")
        return path


def prepare(work: Work, *, seed: int, start: Path | None = None) -> None:
    """Fit the basis and learn the tokenizer from captions of each subject, or take both from the pipeline ``start``."""
    if start is not None:
        shutil.copyfile(start / BASIS, work.folder / BASIS)
        shutil.copytree(start / "tokenizer", work.folder / "tokenizer", dirs_exist_ok=True)
        return
    pack = work.pack
    seen = pack.indices(held_out=False)
    basis.fit(np.ascontiguousarray(work.small[seen[::FITTED_ON]])).save(work.folder / BASIS)
    rng = np.random.default_rng(seed)
    subjects = list(dict.fromkeys(item.subject for item in pack.items))
    captions = [caption(subject, rng) for subject in subjects for _ in range(CAPTIONS_PER_SUBJECT)]
    text.learn_tokenizer(captions, work.folder / "tokenizer")


def train_denoiser(work: Work, plan: Plan, say: Callable[[str], None], *, start: Path | None = None) -> denoiser.Pair:
    """Train, or go on training, UNet and text encoder; every save leaves a grid of samples beside the curve.

    Without a checkpoint the training goes on from the pipeline folder ``start``, whose tokenizer and basis must be in
    the work folder, or begins anew.
    """
    material = denoiser.Material.of(work.pack, work.small, work.basis, work.tokenizer)
    folder = work.folder / "denoiser"

    def watch(pair: denoiser.Pair) -> None:
        prompts = [prompt for _ in range(2) for prompt in sampling.SAMPLE_PROMPTS]
        seeds = [place // len(sampling.SAMPLE_PROMPTS) for place in range(len(prompts))]
        latents = sampling.latents_of(pair, material.tokenizer, prompts, seeds)
        grid = sampling.tiled(sampling.drawn_small(material.basis, latents), 10)
        Image.fromarray(grid).save(folder / "samples.png")
        say(f"denoiser: samples in {folder / 'samples.png'}, curve in {folder / 'curve.csv'}")

    return denoiser.train(material, plan, folder, watch=watch, start=_pair_of(start) if start is not None else None)


def _pair_of(folder: Path) -> denoiser.Pair:
    """UNet and text encoder of a pipeline folder, in single precision."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32)
    words = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    return denoiser.Pair(unet, words)


def train_decoder(work: Work, inner: Plan, whole: Plan, *, start: Path | None = None) -> Any:
    """Train, or go on training, the decoder: the inner levels, then all at full size (with ``start`` only these)."""
    pack = work.pack
    if start is not None:
        model = AutoencoderTiny.from_pretrained(start / "vae", torch_dtype=torch.float32)
    else:
        seen = pack.indices(held_out=False)
        trained = autoencoder.train_inner(work.small, seen, work.basis, inner, work.folder / "decoder_inner")
        model = autoencoder.new_autoencoder(work.basis)
        autoencoder.unfold(model, trained)
    return autoencoder.train_whole(model, pack, work.basis, whole, work.folder / "decoder_whole")


def trained(work: Work) -> assemble.Parts:
    """The averaged parts that the checkpoints hold. Raises NotFound where a stage has not run."""
    pair = denoiser.Pair(denoiser.new_unet(), text.new_text_encoder(work.tokenizer)).eval()
    pair.load_state_dict(_averaged(work, "denoiser"))
    model = autoencoder.new_autoencoder(work.basis).eval()
    model.load_state_dict(_averaged(work, "decoder_whole"))
    return assemble.Parts(pair, model, work.tokenizer, work.folder / "tokenizer")


def _averaged(work: Work, stage: str) -> Mapping[str, torch.Tensor]:
    path = work.folder / stage / "checkpoint.pt"
    if not path.is_file():
        raise NotFound(f"There is no checkpoint {path}: run that stage of the training first.")
    average: Mapping[str, torch.Tensor] = torch.load(path, weights_only=True)["average"]
    return average


def export(work: Work, folder: Path, facts: Mapping[str, Json]) -> None:
    """Write the pipeline folder with its card; the basis travels with it, for training that goes on from there."""
    folder.mkdir(parents=True, exist_ok=True)
    work.basis.save(folder / BASIS)
    assemble.store(trained(work), folder, facts)
