"""Tiny random pipelines of every kind, written to a folder, so that tests need no download."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers as _diffusers
import torch
import transformers as _transformers
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from tokenizers import Tokenizer, models
from tokenizers.pre_tokenizers import ByteLevel
from torch.nn.functional import avg_pool2d, interpolate, pixel_shuffle, pixel_unshuffle
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

diffusers: Any = _diffusers
transformers: Any = _transformers
"""Untyped, as large parts of both libraries are."""
SIDE_PX = 192
"""Width and height that the tiny models are made for: the least that carry a mark in their pixels."""
_WIDTH = 32


class PlainAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """An autoencoder that hides nothing: each value of a latent becomes a small grey square, and back.

    ``latent_channels`` is 4 or 16, so that squares have four or two pixels a side; a latent is an eighth as wide as
    its picture.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, latent_channels: int = 4, scaling_factor: float = 4.0, shift_factor: float = 0.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weight = torch.nn.Parameter(torch.ones(1))
        self._grid = math.isqrt(latent_channels)

    def encode(self, pictures: torch.Tensor) -> SimpleNamespace:
        """Latents (n, latent_channels, h, w) of pictures (n, 3, 8h, 8w)."""
        grey = avg_pool2d(pictures.mean(1, keepdim=True), 8 // self._grid)
        return SimpleNamespace(latents=pixel_unshuffle(grey, self._grid))

    def decode(self, latents: torch.Tensor, return_dict: bool = False, **_: Any) -> tuple[torch.Tensor]:
        """The grey pictures of ``latents``."""
        grey = pixel_shuffle(latents, self._grid)
        return (interpolate(grey, scale_factor=8 // self._grid).repeat(1, 3, 1, 1),)


def write_pipeline(kind: str, folder: Path) -> Path:
    """A random pipeline of ``kind`` (one of `KINDS`) in ``folder``, in the format of diffusers; the folder itself."""
    torch.manual_seed(0)
    parts, options = _PARTS[kind](folder)
    pipeline = getattr(diffusers, f"{kind}Pipeline")(**parts, **options)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _stable_diffusion(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = {
        "vae": _autoencoder(),
        "unet": _unet(cross_attention_dim=_WIDTH),
        "scheduler": _diffusion_scheduler(),
        "text_encoder": CLIPTextModel(_text_config()),
        "tokenizer": _tokenizer(folder),
        "safety_checker": None,
        "feature_extractor": None,
    }
    return parts, {"requires_safety_checker": False}


def _stable_diffusion_xl(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    unet = _unet(
        cross_attention_dim=2 * _WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=_WIDTH + 6 * 8,
    )
    parts = {
        "vae": _autoencoder(),
        "unet": unet,
        "scheduler": _diffusion_scheduler(),
        "text_encoder": CLIPTextModel(_text_config()),
        "text_encoder_2": CLIPTextModelWithProjection(_text_config()),
        "tokenizer": _tokenizer(folder),
        "tokenizer_2": _tokenizer(folder),
    }
    return parts, {"add_watermarker": False}


def _stable_diffusion_3(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=SIDE_PX // 8,
        patch_size=2,
        in_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=_WIDTH * 2,
        caption_projection_dim=_WIDTH,
        pooled_projection_dim=2 * _WIDTH,
        out_channels=16,
        pos_embed_max_size=2 * _WIDTH,
    )
    parts = {
        "vae": _autoencoder(16, shift=0.1),
        "transformer": transformer,
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        "text_encoder": CLIPTextModelWithProjection(_text_config()),
        "text_encoder_2": CLIPTextModelWithProjection(_text_config()),
        "text_encoder_3": None,
        "tokenizer": _tokenizer(folder),
        "tokenizer_2": _tokenizer(folder),
        "tokenizer_3": None,
    }
    return parts, {}


def _flux(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_WIDTH,
        pooled_projection_dim=_WIDTH,
        axes_dims_rope=(4, 4, 8),
    )
    config = transformers.T5Config(
        vocab_size=8, d_model=_WIDTH, d_ff=_WIDTH, d_kv=8, num_layers=1, num_heads=4, use_cache=False
    )
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0), *((letter, -3.0) for letter in "aeno")]
    tokenizer = transformers.T5TokenizerFast(tokenizer_object=Tokenizer(models.Unigram(words, unk_id=2)), extra_ids=0)
    parts = {
        "vae": _autoencoder(shift=0.1),
        "transformer": transformer,
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        "text_encoder": CLIPTextModel(_text_config()),
        "text_encoder_2": transformers.T5EncoderModel(config),
        "tokenizer": _tokenizer(folder),
        "tokenizer_2": tokenizer,
    }
    return parts, {}


_PARTS: dict[str, Callable[[Path], tuple[dict[str, Any], dict[str, Any]]]] = {
    "Flux": _flux,
    "StableDiffusion": _stable_diffusion,
    "StableDiffusion3": _stable_diffusion_3,
    "StableDiffusionXL": _stable_diffusion_xl,
}
KINDS = tuple(_PARTS)
"""The kinds of pipeline there are."""


def _autoencoder(channels: int = 4, shift: float | None = None) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=SIDE_PX,
        shift_factor=shift,
        use_quant_conv=shift is None,
        use_post_quant_conv=shift is None,
    )


def _unet(**conditions: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=SIDE_PX // 8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=4,
        **conditions,
    )


def _diffusion_scheduler() -> Any:
    return diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=514,
        hidden_size=_WIDTH,
        intermediate_size=_WIDTH,
        projection_dim=_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """A tokenizer of single bytes."""
    files = folder / "letters"
    files.mkdir(parents=True, exist_ok=True)
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (files / "vocab.json").write_text(json.dumps({word: place for place, word in enumerate(words)}))
    (files / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(files, model_max_length=77)  # type: ignore[no-any-return]
