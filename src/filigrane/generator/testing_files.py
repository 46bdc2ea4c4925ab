"""Single files for tests: the tiny Stable Diffusion in the layout of the original code, and a random adapter for it."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

_RESNET = (
    (r"(resnets\.\d+)\.norm1", r"\1.in_layers.0"),
    (r"(resnets\.\d+)\.conv1", r"\1.in_layers.2"),
    (r"(resnets\.\d+)\.time_emb_proj", r"\1.emb_layers.1"),
    (r"(resnets\.\d+)\.norm2", r"\1.out_layers.0"),
    (r"(resnets\.\d+)\.conv2", r"\1.out_layers.3"),
    (r"(resnets\.\d+)\.conv_shortcut", r"\1.skip_connection"),
)
_UNET = (
    *_RESNET,
    ("^time_embedding.linear_1", "time_embed.0"),
    ("^time_embedding.linear_2", "time_embed.2"),
    ("^conv_in", "input_blocks.0.0"),
    ("^conv_norm_out", "out.0"),
    ("^conv_out", "out.2"),
    (r"^down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"^down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"^down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"^down_blocks\.1\.attentions\.0", "input_blocks.3.1"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
    (r"^up_blocks\.0\.resnets\.(\d)", r"output_blocks.\1.0"),
    (r"^up_blocks\.0\.attentions\.(\d)", r"output_blocks.\1.1"),
    (r"^up_blocks\.0\.upsamplers\.0", "output_blocks.1.2"),
    (r"^up_blocks\.1\.resnets\.0", "output_blocks.2.0"),
    (r"^up_blocks\.1\.resnets\.1", "output_blocks.3.0"),
)
_AUTOENCODER = (
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    *((rf"up_blocks\.{place}", f"up.{3 - place}") for place in range(4)),
    (r"(up\.\d)\.resnets", r"\1.block"),
    (r"upsamplers\.0", "upsample"),
    ("conv_shortcut", "nin_shortcut"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_", "mid.attn_1."),
    ("conv_norm_out", "norm_out"),
)
_PARTS = (
    ("unet", "model.diffusion_model.", _UNET),
    ("vae", "first_stage_model.", _AUTOENCODER),
    ("text_encoder", "cond_stage_model.transformer.text_model.", ()),
)


def write_single_file(folder: Path, path: Path) -> Path:
    """The tiny Stable Diffusion of ``folder`` as one file in the layout of the original code, at ``path``; the path."""
    found: dict[str, torch.Tensor] = {}
    for part, prefix, names in _PARTS:
        for name, tensor in load_file(next((folder / part).glob("*.safetensors"))).items():
            for pattern, replacement in names:
                name = re.sub(pattern, replacement, name)
            is_matrix = ".attn_1." in name and tensor.dim() == 2
            found[prefix + name] = (tensor[..., None, None] if is_matrix else tensor).contiguous()
    save_file(found, path)
    return path


def write_lora(folder: Path, path: Path, prefix: str = "unet") -> Path:
    """A random low-rank adapter at ``path`` for the attention of the pipeline in ``folder``; the path."""
    rng = torch.Generator().manual_seed(0)
    found: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(next((folder / "unet").glob("*.safetensors"))).items():
        if name.endswith("attn1.to_q.weight"):
            layer = f"{prefix}.{name.removesuffix('.weight')}"
            found[f"{layer}.lora_A.weight"] = torch.randn(2, tensor.shape[1], generator=rng)
            found[f"{layer}.lora_B.weight"] = torch.randn(tensor.shape[0], 2, generator=rng)
    save_file(found, path)
    return path
