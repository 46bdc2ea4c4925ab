"""Weights and the cards they never travel without: a safetensors file, and a JSON file that says what it is.

A card is looked for in ``$FILIGRANE_WEIGHTS``, then among those that ship in the package, then in the user's cache;
nothing is ever fetched. The bytes of the weights are compared with the SHA-256 in their card before they are parsed.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import LimitExceeded, NotFound, UnreadableInput
from filigrane.core.files import write_atomically
from filigrane.core.values import Json, sha256_hex

MAX_CARD_BYTES = 4 * 2**20
MAX_WEIGHTS_BYTES = 2**30

Tensors = dict[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a file of weights.

    ``size_px`` is the side of the crops that the model sees, ``mean`` and ``std`` its normalisation of [0, 1];
    ``calibration`` holds what turns scores into evidence, ``trained_on`` names the data, ``metrics`` the figures.
    ``folder`` is where the card was found.
    """

    name: str
    architecture: str
    file: str
    sha256: str
    size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    seed: int
    calibration: Mapping[str, Json] = field(default_factory=dict)
    trained_on: Mapping[str, Json] = field(default_factory=dict)
    metrics: Mapping[str, Json] = field(default_factory=dict)
    about: Mapping[str, Json] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def path(self) -> Path:
        """The file of the weights."""
        return self.folder / self.file

    def to_json(self) -> str:
        """The card as it is written beside its weights."""
        fields = asdict(self)
        del fields["folder"]
        return json.dumps(fields, indent=1, ensure_ascii=False) + "\n"


def folders() -> tuple[Path, ...]:
    """Where cards are looked for, first come first served."""
    own = os.environ.get("FILIGRANE_WEIGHTS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "filigrane" / "weights"
    package = Path(str(files("filigrane")))
    shipped = sorted(path for path in package.glob("*/weights") if path.is_dir())
    return (*((Path(own),) if own else ()), *shipped, cache)


def names() -> tuple[str, ...]:
    """The names of all cards that can be found, sorted."""
    return tuple(sorted({path.stem for folder in folders() for path in folder.glob("*.json")}))


def find_card(name: str) -> Card:
    """The card called ``name``; NotFound with the folders searched, UnreadableInput where it is not a card."""
    for folder in folders() if Path(name).name == name else ():
        path = folder / f"{name}.json"
        if path.is_file():
            return read_card(path)
    searched = ", ".join(map(str, folders()))
    raise NotFound(f"There are no weights called {name!r}; looked in {searched}. Known are: {', '.join(names())}.")


def read_card(path: Path) -> Card:
    """The card in ``path``; raises UnreadableInput where the file is not one, LimitExceeded where it is too large."""
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise LimitExceeded(f"{path} is larger than {MAX_CARD_BYTES:,} bytes; a card is smaller.")
        raw = json.loads(path.read_text(encoding="utf-8"))
        card = Card(
            name=str(raw["name"]),
            architecture=str(raw["architecture"]),
            file=str(raw["file"]),
            sha256=str(raw["sha256"]),
            size_px=int(raw["size_px"]),
            mean=tuple(map(float, raw["mean"])),
            std=tuple(map(float, raw["std"])),
            licence=str(raw["licence"]),
            seed=int(raw["seed"]),
            calibration=dict(raw.get("calibration", {})),
            trained_on=dict(raw.get("trained_on", {})),
            metrics=dict(raw.get("metrics", {})),
            about=dict(raw.get("about", {})),
            folder=path.parent,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableInput(
            f"{path} is not a card of weights ({error!r}); give one written by 'filigrane train'."
        ) from error
    if Path(card.file).name != card.file:
        raise UnreadableInput(f"{path} names the file {card.file!r}; weights lie beside their card.")
    return card


def load_tensors(card: Card) -> Tensors:
    """The arrays of ``card``'s file, half precision widened to float32.

    Raises NotFound where the file is missing, UnreadableInput where its bytes are not those the card names or are no
    safetensors, LimitExceeded where it is too large.
    """
    data = verified_bytes(card)
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors: Tensors = load(data)
    except SafetensorError as error:
        raise UnreadableInput(f"{card.path} is not a safetensors file ({error}).") from error
    return {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in tensors.items()}


def verified_bytes(card: Card) -> bytes:
    """The bytes of ``card``'s file, which have the SHA-256 that the card names; errors as for `load_tensors`."""
    try:
        with card.path.open("rb") as stream:
            data = stream.read(MAX_WEIGHTS_BYTES + 1)
    except OSError as error:
        raise NotFound(
            f"The weights {card.path} can't be read ({error.strerror}); install them beside their card."
        ) from error
    if len(data) > MAX_WEIGHTS_BYTES:
        raise LimitExceeded(f"{card.path} is larger than {MAX_WEIGHTS_BYTES:,} bytes.")
    if not hmac.compare_digest(sha256_hex(data), card.sha256):
        raise UnreadableInput(
            f"{card.path} is not the file that its card describes: the SHA-256 differs; install it again."
        )
    return data


def save(card: Card, tensors: Tensors, folder: Path) -> Card:
    """Write ``tensors`` and ``card`` into ``folder``, weights first; the card returned has their SHA-256."""
    from safetensors.numpy import save as serialise

    data = serialise({name: np.ascontiguousarray(array) for name, array in sorted(tensors.items())})
    written = replace(card, sha256=sha256_hex(data), folder=folder)
    write_atomically(folder / written.file, data)
    write_atomically(folder / f"{written.name}.json", written.to_json().encode())
    return written
