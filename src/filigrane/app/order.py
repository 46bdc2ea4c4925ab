"""What is asked for and what it takes on disk: where the pictures go, in which format, and what they start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from filigrane.app import recipe as recipes
from filigrane.core.errors import NotFound, UsageError
from filigrane.core.files import place
from filigrane.core.image import EXTENSIONS
from filigrane.core.values import Picture, Pixels
from filigrane.generator.base import Recipe
from filigrane.generator.task import Mask
from filigrane.provenance.manifest import Source
from filigrane.provenance.read import MEDIA_TYPES_READ

MAX_COUNT = 100
"""Most pictures of one order."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to draw; None and empty leave it to the model, or to chance where it is the seed.

    ``start`` is the picture to begin with, ``mask`` what of it to paint anew (white), ``strength`` how far to leave it
    behind, ``again`` the recipe file of a picture to be made once more, which says all but the words and pictures.
    """

    prompt: str
    output: Path
    negative: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    width_px: int | None = None
    height_px: int | None = None
    scheduler: str = ""
    count: int = 1
    start: Path | None = None
    mask: Path | None = None
    strength: float | None = None
    again: Path | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What the marks say beside the facts: the provider (the signer's organisation if empty), labels, the prompt."""

    provider: str = ""
    title: str = ""
    tc260: bool = False
    badge: bool = False
    store_prompt: bool = False


def targets(order: Order) -> tuple[Path, ...]:
    """Where the pictures go: numbered names where there are several.

    Raises UsageError for names that can't be used, and for orders that contradict themselves.
    """
    if not 1 <= order.count <= MAX_COUNT or (order.again is not None and order.count > 1):
        raise UsageError(f"An order makes 1 to {MAX_COUNT} pictures, and a recipe one; {order.count} were asked for.")
    told = (order.seed, order.steps, order.guidance, order.width_px, order.height_px, order.scheduler, order.strength)
    if order.again is not None and any(value not in (None, "") for value in told):
        raise UsageError("A recipe says seed, steps, guidance, size, scheduler and strength itself; leave them out.")
    path = order.output
    format_of(path)
    names = [path.with_stem(f"{path.stem}-{place}") for place in range(1, order.count + 1)]
    targets = tuple(names) if order.count > 1 else (path,)
    for target in targets:
        for taken in (target, recipes.path_beside(target)):
            if taken.exists():
                raise UsageError(f"{taken} exists already, and nothing is overwritten; give another -o.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}; make it, or give another -o.")
    return targets


def format_of(path: Path) -> str:
    """The format that a name's ending asks for; UsageError where it is none that can be signed."""
    ending = path.suffix.lower()
    for name, endings in EXTENSIONS.items():
        if ending in endings and name in MEDIA_TYPES_READ:
            return name
    able = ", ".join(EXTENSIONS[name][0] for name in MEDIA_TYPES_READ)
    raise UsageError(f"{path.name} does not end as a format that can be signed; one of {able} was expected.")


def fitted(picture: Picture, recipe: Recipe) -> Pixels:
    """The pixels of ``picture`` in the size of ``recipe``."""
    image, size = Image.fromarray(picture.pixels), (recipe.width_px, recipe.height_px)
    return np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))


def as_mask(picture: Picture, recipe: Recipe) -> Mask:
    """``picture`` as a mask in the size of ``recipe``: 255 where it is white, 0 where it is black."""
    return np.asarray(Image.fromarray(fitted(picture, recipe)).convert("L"))


def parent(picture: Picture) -> Source:
    """``picture`` as the parent of what is made from it; UsageError where its format holds no manifest."""
    if picture.format not in MEDIA_TYPES_READ:
        raise UsageError(f"A {picture.format} file can't be named as the parent; convert it to PNG first.")
    return Source(picture.data, picture.format, "start")


def hand_over(staged: Path, target: Path) -> None:
    """Give the checked file its name, never in place of another file."""
    try:
        place(staged, target)
    except FileExistsError as error:
        raise UsageError(f"{target} came to exist meanwhile; nothing is overwritten.") from error
    except OSError as error:
        raise UsageError(f"{target} can't be put in place ({error.strerror}); check the folder.") from error


def remake(path: Path) -> str:
    """The model that the recipe file ``path`` names; NotFound or UsageError as for `recipe.read`."""
    name = recipes.read(path).recipe.model
    if not name:
        raise NotFound(f"{path} names no model; give --model.")
    return name
