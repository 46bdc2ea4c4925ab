"""What a training run of the detectors is made of, as a TOML file says it."""

from __future__ import annotations

import tomllib
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field, PositiveInt, ValidationError

from filigrane.core.errors import UsageError


@pydantic.dataclasses.dataclass(frozen=True, slots=True, config=pydantic.ConfigDict(extra="forbid"))
class Tuning:
    """How a ``trunk`` of ``patches`` is tuned: ``budget_s`` for each fold, ``batch`` crops of ``crop_px`` at a time."""

    trunk: str
    budget_s: Annotated[float, Field(gt=0)]
    batch: PositiveInt = 32
    crop_px: Annotated[int, Field(ge=64)] = 160
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    device: str = "cpu"


@pydantic.dataclasses.dataclass(frozen=True, slots=True, config=pydantic.ConfigDict(extra="forbid"))
class Config:
    """What a training run is made of; see ``docs/detector.toml`` for the one that ships.

    ``corpora`` are folders as `corpus.entries` reads them; ``models`` names the architectures to train and their
    options; ``deliveries`` is how often each picture is delivered at random, ``fixed_per_source`` how many pictures of
    each source are seen under the fixed deliveries, for calibration; ``folds`` are those of the calibration. A model
    may have any of these three as an option of its own, and ``patches`` a ``tuning``. Raises pydantic's
    ValidationError, which is a ValueError.
    """

    corpora: Annotated[tuple[str, ...], Field(min_length=1)]
    work: str
    output: str
    name: str = "detector"
    models: dict[str, dict[str, Any]] = field(default_factory=lambda: {"patches": {}})
    deliveries: PositiveInt = 2
    fixed_per_source: PositiveInt = 5
    folds: Annotated[int, Field(ge=2)] = 5
    false_positive_rate: Annotated[float, Field(gt=0, lt=1)] = 0.02
    seed: int = 0
    licence: str = "Apache-2.0"
    about: dict[str, str] = field(default_factory=dict)
    tuning: Tuning | None = None


_OWN = ("deliveries", "fixed_per_source", "folds", "tuning")


def read_config(path: Path) -> Config:
    """The configuration in a TOML file; relative paths are taken from its folder. UsageError where it is not usable."""
    try:
        found = Config(**tomllib.loads(path.read_text(encoding="utf-8")))
        for name in found.models:
            of_model(found, name)
    except (OSError, ValueError) as error:
        why = _told(error) if isinstance(error, ValidationError) else str(error)
        raise UsageError(f"The configuration {path} can't be used ({why}); docs/detector.toml shows one.") from error
    folder = path.parent.absolute()
    corpora = tuple(str(folder / corpus_) for corpus_ in found.corpora)
    return replace(found, corpora=corpora, work=str(folder / found.work), output=str(folder / found.output))


def of_model(config: Config, architecture: str) -> tuple[Config, dict[str, Any]]:
    """``config`` with what a model has as its own, and the other options of that model."""
    options = dict(config.models[architecture])
    own = {name: options.pop(name) for name in _OWN if name in options}
    if "tuning" in own and architecture != "patches":
        raise ValueError(f"{architecture} has no trunk to tune")
    return replace(config, **own), options


def _told(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
