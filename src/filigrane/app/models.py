"""Use cases: which weights are there, whether they are what their cards say, and how they leave for other runtimes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filigrane.core.errors import FiligraneError, NotFound, UsageError
from filigrane.core.weights import Card, find_card, names, verified_bytes
from filigrane.detector import models
from filigrane.detector.card import markdown
from filigrane.generator.models import builtin
from filigrane.generator.models.builtin import BuiltinCard


@dataclass(frozen=True, slots=True)
class Listed:
    """One set of weights: its card, the size of its files, and what is wrong with it ("" where nothing is)."""

    card: Card
    size_bytes: int
    problem: str = ""


def list_models() -> tuple[Listed, ...]:
    """All weights that can be found, by name, unchecked."""
    return (*_generator(checked=False), *(_listed(name, _size) for name in names()))


def verify_models() -> tuple[Listed, ...]:
    """All weights that can be found, each file compared with the SHA-256 in its card."""
    return (*_generator(checked=True), *(_listed(name, _verified_size) for name in names()))


def show_model(name: str) -> Card | BuiltinCard:
    """The card called ``name``, ``builtin`` being the generator's; NotFound with the known names."""
    return builtin.card() if name == builtin.NAME else find_card(name)


def model_card(name: str) -> str:
    """The model card of ``name`` in Markdown; NotFound with the known names, UsageError where it is no detector."""
    if name == builtin.NAME or (card := find_card(name)).architecture not in models.names():
        raise UsageError(f"{name!r} is no detector and has no such model card; 'filigrane models show' tells the rest.")
    return markdown(card)


def export_onnx(name: str, target: Path, *, force: bool = False) -> Path:
    """Write the detector ``name`` as an ONNX network: crops float32 (N, 3, H, W) in [0, 1] to log-odds of AI (N,).

    Raises UsageError where the target exists or the model has no network of its own, MissingExtra without onnx.
    """
    if target.exists() and not force:
        raise UsageError(f"{target} exists; choose another name or use --force.")
    detector = models.load(find_card(name))
    if not isinstance(detector, models.Exportable):
        raise UsageError(f"{name!r} is of the architecture {detector.name!r}, which can't be exported.")
    detector.export_onnx(target)
    return target


def _generator(*, checked: bool) -> tuple[Listed, ...]:
    """The built-in generator under the digest of its largest file; nothing where there is none."""
    try:
        known = builtin.card()
    except FiligraneError:
        return ()
    paths = {name: builtin.WEIGHTS / name for name in known.sha256}
    sizes = {name: path.stat().st_size for name, path in paths.items() if path.is_file()}
    largest = max(paths, key=lambda name: sizes.get(name, 0))
    file, digest = paths[largest], known.sha256[largest]
    card = Card(
        builtin.NAME, "stable-diffusion", file.name, digest, builtin.SIZE_PX, (), (), known.licence, known.seed,
        folder=file.parent,
    )  # fmt: skip
    problem = ""
    if checked:
        try:
            builtin.verify(builtin.WEIGHTS)
        except FiligraneError as error:
            problem = str(error)
    return (Listed(card, sum(sizes.values()), problem),)


def _listed(name: str, size_of: Callable[[Card], int]) -> Listed:
    card = Card(name, "unknown", "", "", 0, (), (), "unknown", 0)
    try:
        card = find_card(name)
        return Listed(card, size_of(card))
    except FiligraneError as error:
        return Listed(card, 0, str(error))


def _size(card: Card) -> int:
    try:
        return sum(part.path.stat().st_size for part in models.parts(card))
    except OSError as error:
        raise NotFound(f"{error.filename} can't be read ({error.strerror}); install it beside its card.") from error


def _verified_size(card: Card) -> int:
    return sum(len(verified_bytes(part)) for part in models.parts(card))
