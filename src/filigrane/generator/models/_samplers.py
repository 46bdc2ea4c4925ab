"""Samplers by short names, and whether a sampler keeps the starting noise, so that it can be found again."""

from __future__ import annotations

from typing import Any

import diffusers

from filigrane.core.errors import UsageError

NAMES = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "deis": "DEISMultistepScheduler",
    "dpm": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "flow-euler": "FlowMatchEulerDiscreteScheduler",
    "flow-heun": "FlowMatchHeunDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "lms": "LMSDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
}
"""Short names, and the class of diffusers that each one stands for."""

LEAST_STEPS = 4
"""With fewer steps the picture hardly tells which noise it grew from."""

_ADDS_NOISE = frozenset({"DDPMScheduler", "EulerAncestralDiscreteScheduler", "LCMScheduler"})
_KEEPS_NOISE = frozenset(NAMES.values()) - _ADDS_NOISE


def is_flow(scheduler: Any) -> bool:
    """Whether ``scheduler`` follows straight paths between picture and noise (flow matching)."""
    return (
        type(scheduler).__name__.startswith("FlowMatch") or scheduler.config.get("prediction_type") == "flow_prediction"
    )


def choose(own: Any, name: str) -> Any:
    """The sampler called ``name`` for a model whose own one is ``own``; its own where the name is empty.

    Raises UsageError with the names that suit the model.
    """
    if not name:
        return own
    suited = [short for short in NAMES if short.startswith("flow-") == is_flow(own)]
    if name not in suited:
        raise UsageError(f"The sampler {name!r} is not one for this model; give one of {', '.join(suited)}.")
    return getattr(diffusers, NAMES[name]).from_config(own.config)


def why_noise_is_lost(scheduler: Any, steps: int) -> str:
    """Why a picture made so can't be led back to its noise, in one sentence; empty where it can."""
    name, config = type(scheduler).__name__, scheduler.config
    kind = str(config.get("prediction_type", "epsilon"))
    if steps < LEAST_STEPS:
        return f"{steps} steps hardly use the noise; it takes {LEAST_STEPS}."
    if name in _ADDS_NOISE or str(config.get("algorithm_type", "")).startswith("sde"):
        return f"{name} adds fresh noise on its way."
    if config.get("stochastic_sampling"):
        return f"{name} is set to add fresh noise on its way."
    if name not in _KEEPS_NOISE:
        return f"{name} is not known to keep its starting noise."
    if not is_flow(scheduler) and kind not in ("epsilon", "sample", "v_prediction"):
        return f"a model that predicts {kind!r} can't be run backwards here."
    return ""
