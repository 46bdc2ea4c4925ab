"""The classes of diffusers that the training uses, as the untyped things they are: their annotations are incomplete."""

from __future__ import annotations

from typing import Any

import diffusers

AutoencoderTiny: Any = diffusers.AutoencoderTiny
DDPMScheduler: Any = diffusers.DDPMScheduler
DPMSolverMultistepScheduler: Any = diffusers.DPMSolverMultistepScheduler
StableDiffusionPipeline: Any = diffusers.StableDiffusionPipeline
UNet2DConditionModel: Any = diffusers.UNet2DConditionModel
