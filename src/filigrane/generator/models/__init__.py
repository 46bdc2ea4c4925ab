"""One generator a file, found by its file name, and the choice between them: the built-in one or the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filigrane.core import plugins
from filigrane.core.errors import MissingExtra

if TYPE_CHECKING:
    from filigrane.generator.models.stable_diffusion import StableDiffusion

BUILTIN = "builtin"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model, and where it runs.

    ``name`` is ``builtin``, a folder in the format of diffusers, a ``.safetensors`` file or a hub id; ``config`` the
    folder that says how a single file is laid out. ``device`` and ``dtype`` are names of torch, or auto; ``offload``
    keeps on the device only the part that works. ``loras`` are safetensors files of low-rank adapters, each with how
    strongly it counts. Without ``download`` the hub is not asked: its cache has to do.
    """

    name: str = BUILTIN
    config: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    offload: bool = False
    loras: tuple[tuple[Path, float], ...] = ()
    download: bool = False


def open_model(choice: ModelChoice) -> StableDiffusion:
    """The model of ``choice``, whose own parts load when first used.

    Raises MissingExtra where diffusers is not installed, and for the built-in model what `builtin.verify` raises.
    """
    try:
        if choice.name == BUILTIN:
            built: StableDiffusion = plugins.load(__name__, BUILTIN, device=choice.device)
            return built
        own: StableDiffusion = plugins.load(__name__, "stable_diffusion", choice=choice)
        return own
    except ImportError as error:
        raise MissingExtra("Drawing pictures and reading the mark in their noise", "generate") from error
