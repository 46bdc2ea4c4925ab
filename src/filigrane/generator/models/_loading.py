"""Pipelines of diffusers from folders, single files and the hub's cache; nothing pickled, nothing fetched unasked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
from filigrane.generator.models import ModelChoice

PICKLED = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
_HUB_ID = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}")
_TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load(choice: ModelChoice) -> Any:
    """The text-to-image pipeline of ``choice``, on its device.

    Raises NotFound where there is no such model, UsageError for pickled weights and unusable options, FiligraneError
    where the files are damaged.
    """
    device, dtype = _place(choice)
    path = Path(choice.name)
    if path.suffix.lower() in PICKLED:
        raise UsageError(f"{path} is pickled and could run any code; convert it to .safetensors first.")
    with _one_sentence(choice.name), _quietly():
        if path.is_dir():
            pipeline = _from_folder(path, dtype)
        elif path.suffix.lower() == ".safetensors" or path.is_file():
            pipeline = _from_file(path, choice, dtype)
        else:
            pipeline = _from_folder(_cached(choice.name, choice), dtype)
        pipeline.set_progress_bar_config(disable=True)
        for place, (lora, _) in enumerate(choice.loras):
            _add_lora(pipeline, lora, f"lora_{place}")
        if choice.loras:
            pipeline.set_adapters([f"lora_{at}" for at in range(len(choice.loras))], [how for _, how in choice.loras])
        if choice.offload:
            pipeline.enable_model_cpu_offload(device=device)
            return pipeline
        return pipeline.to(device)


def weight_files(choice: ModelChoice) -> tuple[Path, ...]:
    """The safetensors files of a model that is on this machine, and of its adapters, in a stable order."""
    path = Path(choice.name)
    if not path.exists():
        path = _cached(choice.name, choice)
    own = sorted(path.glob("**/*.safetensors")) if path.is_dir() else [path]
    return (*own, *(path for path, _ in choice.loras))


def _place(choice: ModelChoice) -> tuple[str, torch.dtype]:
    """Device and number type that were asked for, or that suit the machine."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    best = next(kind for kind, is_there in there.items() if is_there)
    device = best if choice.device == "auto" else choice.device
    kind = device.partition(":")[0]
    if not there.get(kind) or not re.fullmatch(r"\w+(:\d{1,2})?", device, re.ASCII):
        raise UsageError(f"The device {choice.device!r} is not one of this machine; give auto or {best}.")
    if choice.offload and kind == "cpu":
        raise UsageError("Offloading moves parts between a GPU and the processor; on the processor leave it out.")
    if choice.dtype == "auto":
        return device, torch.float32 if kind == "cpu" else torch.float16
    if choice.dtype not in _TYPES:
        raise UsageError(f"The number type {choice.dtype!r} is not known; give auto or one of {', '.join(_TYPES)}.")
    return device, _TYPES[choice.dtype]


def _from_folder(folder: Path, dtype: torch.dtype) -> Any:
    kind, left_out = _pipeline_class(folder)
    _refuse_code(folder)
    return kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True, **left_out)


def _from_file(path: Path, choice: ModelChoice, dtype: torch.dtype) -> Any:
    if not path.is_file():
        raise NotFound(f"There is no checkpoint {path}; give a .safetensors file, a folder or a hub id.")
    with safe_open(path, framework="pt") as weights:  # the header alone shows whether it is one
        if not list(weights.keys()):
            raise UsageError(f"{path} holds no weights; give a complete checkpoint.")
    config = choice.config
    if config is None:
        config = _cached(_config_id(path), choice, patterns=["*.json", "*.txt", "*.model"])
    kind, _ = _pipeline_class(config)
    return kind.from_single_file(str(path), config=str(config), dtype=dtype, local_files_only=True)


def _config_id(path: Path) -> str:
    """The hub id whose configuration fits a checkpoint, told by the names and shapes of its weights alone."""
    names: Any = single_file_utils
    with safe_open(path, framework="pt") as weights:
        shapes = {key: torch.empty(weights.get_slice(key).get_shape(), device="meta") for key in weights.keys()}  # noqa: SIM118
    return str(names.fetch_diffusers_config(shapes)["pretrained_model_name_or_path"])


def _cached(name: str, choice: ModelChoice, patterns: list[str] | None = None) -> Path:
    """The folder of a hub model in the cache, fetched first where that was asked for."""
    if not _HUB_ID.fullmatch(name):
        raise NotFound(f"There is no model {name!r}; give a folder, a .safetensors file or a hub id like owner/name.")
    wanted = patterns or ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        return Path(snapshot_download(name, local_files_only=not choice.download, allow_patterns=wanted))
    except Exception as error:  # the hub's client raises its own errors, those of its HTTP library, and OSError
        how = "it could not be fetched" if choice.download else "allow fetching it with --download"
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


def _add_lora(pipeline: Any, path: Path, name: str) -> None:
    if path.suffix.lower() != ".safetensors":
        raise UsageError(f"The LoRA {path} is no .safetensors file; others could run any code.")
    if not path.is_file():
        raise NotFound(f"There is no LoRA {path}; give a .safetensors file.")
    with _one_sentence(str(path)):
        pipeline.load_lora_weights(load_file(path), adapter_name=name)
    if name not in {adapter for adapters in pipeline.get_list_adapters().values() for adapter in adapters}:
        raise UsageError(f"Nothing in the LoRA {path} fits this model; give one made for it.")


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
    """Whatever the libraries raise on damaged or missing files, or on an unfit device, as one sentence."""
    try:
        yield
    except FiligraneError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise FiligraneError(f"The model {name} needs more memory than this machine has; use a smaller one.") from error
    except SafetensorError as error:
        raise FiligraneError(f"The weights of {name} are damaged or cut short; get a complete copy.") from error
    except Exception as error:  # the libraries raise whatever a damaged folder provokes
        short = " ".join(str(error).split())[:160]
        raise FiligraneError(
            f"The model {name} can't be loaded ({short}); get a complete copy, or give another device."
        ) from error
