"""Pipelines of diffusers from folders, single files and the hub's cache; nothing pickled, nothing fetched unasked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.loaders import single_file_utils
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from filigrane.core.errors import FiligraneError, NotFound, UsageError

PICKLED = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
_HUB_ID = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}")
_TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter: a safetensors file, and how strongly it counts."""

    path: Path
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from and where it runs.

    ``name`` is a folder in the format of diffusers, a ``.safetensors`` file or a hub id; ``config`` the folder that
    says how a single file is laid out. ``device`` and ``dtype`` are names of torch, or auto; ``offload`` keeps on the
    device only the part that works. Without ``download`` the hub is not asked: its cache has to do.
    """

    name: str
    config: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    offload: bool = False
    loras: tuple[Lora, ...] = ()
    download: bool = False


def load(source: Source) -> Any:
    """The text-to-image pipeline of ``source``, on its device.

    Raises NotFound where there is no such model, UsageError for pickled weights and unusable options, FiligraneError
    where the files are damaged.
    """
    device, dtype = _place(source)
    path = Path(source.name)
    if path.suffix.lower() in PICKLED:
        raise UsageError(f"{path} is pickled and could run any code; convert it to .safetensors first.")
    with _one_sentence(source.name), _quietly():
        if path.is_dir():
            pipeline = _from_folder(path, dtype)
        elif path.suffix.lower() == ".safetensors" or path.is_file():
            pipeline = _from_file(path, source, dtype)
        else:
            pipeline = _from_folder(_cached(source.name, source), dtype)
    for place, lora in enumerate(source.loras):
        _add_lora(pipeline, lora, f"lora_{place}")
    if source.loras:
        pipeline.set_adapters([f"lora_{at}" for at in range(len(source.loras))], [item.weight for item in source.loras])
    pipeline.set_progress_bar_config(disable=True)
    if source.offload:
        pipeline.enable_model_cpu_offload(device=device)
        return pipeline
    return pipeline.to(device)


def weight_files(source: Source) -> tuple[Path, ...]:
    """The safetensors files of a model that is on this machine, and of its adapters, in a stable order."""
    path = Path(source.name)
    if not path.exists():
        path = _cached(source.name, source)
    own = sorted(path.glob("**/*.safetensors")) if path.is_dir() else [path]
    return (*own, *(lora.path for lora in source.loras))


def _place(source: Source) -> tuple[str, torch.dtype]:
    """Device and number type that were asked for, or that suit the machine."""
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = best if source.device == "auto" else source.device
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps") or (kind == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"The device {source.device!r} is not one of this machine; give auto or {best}.")
    if source.offload and kind == "cpu":
        raise UsageError("Offloading moves parts between a GPU and the processor; on the processor leave it out.")
    if source.dtype == "auto":
        return device, torch.float32 if kind == "cpu" else torch.float16
    if source.dtype not in _TYPES:
        raise UsageError(f"The number type {source.dtype!r} is not known; give auto or one of {', '.join(_TYPES)}.")
    return device, _TYPES[source.dtype]


def _from_folder(folder: Path, dtype: torch.dtype) -> Any:
    kind, left_out = _pipeline_class(folder)
    _refuse_code(folder)
    return kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True, **left_out)


def _from_file(path: Path, source: Source, dtype: torch.dtype) -> Any:
    if not path.is_file():
        raise NotFound(f"There is no checkpoint {path}; give a .safetensors file, a folder or a hub id.")
    with safe_open(path, framework="pt") as weights:  # the header alone shows whether it is one
        if not list(weights.keys()):
            raise UsageError(f"{path} holds no weights; give a complete checkpoint.")
    config = source.config
    if config is None:
        config = _cached(_config_id(path), source, patterns=["*.json", "*.txt", "*.model"])
    kind, _ = _pipeline_class(config)
    return kind.from_single_file(str(path), config=str(config), dtype=dtype, local_files_only=True)


def _config_id(path: Path) -> str:
    """The hub id whose configuration fits a checkpoint, told by the names and shapes of its weights alone."""
    names: Any = single_file_utils
    with safe_open(path, framework="pt") as weights:
        shapes = {key: torch.empty(weights.get_slice(key).get_shape(), device="meta") for key in weights.keys()}  # noqa: SIM118
    return str(names.fetch_diffusers_config(shapes)["pretrained_model_name_or_path"])


def _cached(name: str, source: Source, patterns: list[str] | None = None) -> Path:
    """The folder of a hub model in the cache, fetched first where that was asked for."""
    if not _HUB_ID.fullmatch(name):
        raise NotFound(f"There is no model {name!r}; give a folder, a .safetensors file or a hub id like owner/name.")
    wanted = patterns or ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        return Path(snapshot_download(name, local_files_only=not source.download, allow_patterns=wanted))
    except Exception as error:  # the hub's client raises its own errors, those of its HTTP library, and OSError
        how = "it could not be fetched" if source.download else "allow fetching it with --download"
        raise NotFound(f"The model {name} is not in the cache of this machine; {how}, or give a folder.") from error


def _pipeline_class(folder: Path) -> tuple[Any, dict[str, None]]:
    """The text-to-image class for the kind of pipeline that a folder says it is, and the parts that it lacks."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise NotFound(f"{folder} is no model: it has no model_index.json; give a folder in the format of diffusers.")
    try:
        told = json.loads(index.read_text(encoding="utf-8"))
        name = str(told["_class_name"])
    except (ValueError, KeyError, TypeError) as error:
        raise FiligraneError(f"{index} is damaged; get a complete copy of the model.") from error
    base = name.replace("Img2Img", "").replace("Inpaint", "")
    kind = getattr(diffusers, base, None) if base.endswith("Pipeline") else None
    if kind is None:
        raise UsageError(f"{folder} is a {name[:80]}, which is not a pipeline that makes pictures from text.")
    return kind, {part: None for part, where in told.items() if where == [None, None]}


def _refuse_code(folder: Path) -> None:
    """Raise UsageError where a model brings a program of its own, or weights that may be one."""
    for path in sorted((*folder.glob("*.py"), *folder.glob("*/*.py"))):
        raise UsageError(
            f"{path} is program code, which a model must not bring; use one of a kind that diffusers knows."
        )
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in PICKLED and not any(path.parent.glob("*.safetensors")):
            raise UsageError(f"{path} is pickled and could run any code; convert it to .safetensors first.")


def _add_lora(pipeline: Any, lora: Lora, name: str) -> None:
    if lora.path.suffix.lower() != ".safetensors":
        raise UsageError(f"The LoRA {lora.path} is no .safetensors file; others could run any code.")
    if not lora.path.is_file():
        raise NotFound(f"There is no LoRA {lora.path}; give a .safetensors file.")
    with _one_sentence(str(lora.path)), _quietly():
        pipeline.load_lora_weights(load_file(lora.path), adapter_name=name)
    if name not in {adapter for adapters in pipeline.get_list_adapters().values() for adapter in adapters}:
        raise UsageError(f"Nothing in the LoRA {lora.path} fits this model; give one made for it.")


@contextmanager
def _quietly() -> Iterator[None]:
    """No progress bars and asides of the libraries on standard error."""
    voices = (diffusers.utils.logging, transformers.utils.logging)
    levels = [voice.get_verbosity() for voice in voices]
    for voice in voices:
        voice.disable_progress_bar()
        voice.set_verbosity_error()
    try:
        yield
    finally:
        for voice, level in zip(voices, levels, strict=True):
            voice.enable_progress_bar()
            voice.set_verbosity(level)


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Whatever the libraries raise on damaged or missing files, as one sentence."""
    try:
        yield
    except FiligraneError:
        raise
    except MemoryError as error:
        raise FiligraneError(f"The model {name} needs more memory than this machine has; use a smaller one.") from error
    except SafetensorError as error:
        raise FiligraneError(f"The weights of {name} are damaged or cut short; get a complete copy.") from error
    except Exception as error:  # the libraries raise whatever a damaged folder provokes
        short = " ".join(str(error).split())[:160]
        raise FiligraneError(f"The model {name} can't be loaded ({short}); get a complete copy.") from error
