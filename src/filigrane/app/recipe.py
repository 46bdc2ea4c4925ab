"""Recipes on disk: everything that a generated picture depends on, in JSON beside it, so that it can be made again.

The prompt stands there as a hash unless it was asked to be kept; whoever has the prompt can still make the picture
again, and the hash tells whether it is the right one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from filigrane.core.errors import NotFound, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.values import Picture, sha256_hex
from filigrane.generator.base import Recipe

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A recipe with what it can't hold itself.

    ``prompt_sha256`` is always there, ``recipe.prompt`` empty where it was not kept; ``mark`` is the id in the pixels,
    ``latent`` and ``latent_key`` are the number in the noise and the id of its key; digests are those of the starting
    pictures and of the pixels made, before their marks; ``model_version`` names the weights, ``runs_on`` the device and
    the type of its numbers.
    """

    recipe: Recipe
    prompt_sha256: str
    negative_sha256: str
    mark: str
    model_version: str
    pixels_sha256: str
    software: str
    latent: int
    latent_key: str
    strength: float | None = None
    start_sha256: str = ""
    mask_sha256: str = ""
    loras: tuple[tuple[str, float], ...] = ()
    runs_on: str = ""

    def check_pictures(self, start: Picture | None, mask: Picture | None) -> None:
        """Raise UsageError where the picture was not made from these."""
        for picture, sha256, option in ((start, self.start_sha256, "--init-image"), (mask, self.mask_sha256, "--mask")):
            if (picture.sha256 if picture is not None else "") != sha256:
                kept = f"a picture with the SHA-256 {sha256}" if sha256 else "none"
                raise UsageError(f"The recipe began with {kept} as {option}; give the same.")

    def with_prompts(self, prompt: str, negative: str) -> Recipe:
        """The recipe with its prompts, from here or as given; UsageError where those given are other ones."""
        words = prompt or self.recipe.prompt
        against = negative or self.recipe.negative
        if sha256_hex(words.encode()) != self.prompt_sha256 or sha256_hex(against.encode()) != self.negative_sha256:
            raise UsageError("These are not the prompts of the recipe (their hashes differ); give the same words.")
        return replace(self.recipe, prompt=words, negative=against)


def path_beside(picture: Path) -> Path:
    """Where the recipe of ``picture`` lies.

    >>> path_beside(Path("a/apple.png")).name
    'apple.png.recipe.json'
    """
    return picture.with_name(f"{picture.name}.recipe.json")


def write(kept: Kept, path: Path, *, store_prompt: bool) -> None:
    """Write ``kept`` to ``path``, the prompts only where ``store_prompt``; UsageError where that can't be or exists."""
    recipe = kept.recipe if store_prompt else replace(kept.recipe, prompt="", negative="")
    text = json.dumps(asdict(replace(kept, recipe=recipe)), indent=2, ensure_ascii=False)
    try:
        write_atomically(path, text.encode() + b"\n", replace=False)
    except FileExistsError as error:
        raise UsageError(f"{path} came to exist meanwhile; nothing is overwritten.") from error
    except OSError as error:
        raise UsageError(f"The recipe {path} can't be written ({error.strerror}); check the folder.") from error


def read(path: Path) -> Kept:
    """The recipe in the file ``path``; NotFound where there is none, UsageError where it is no recipe."""
    if not path.is_file():
        raise NotFound(f"There is no recipe {path}; it lies beside the picture it made.")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path} is no recipe (it is over {MAX_BYTES:,} bytes); give one that this program wrote.")
    try:
        return TypeAdapter(Kept).validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise UsageError(f"{path} is no recipe ({where}: {first['msg']}); give one that this program wrote.") from error
