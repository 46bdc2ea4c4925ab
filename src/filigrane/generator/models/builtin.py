"""The built-in model: a small Stable Diffusion that ships with the package and draws a picture offline in a second.

It knows a short list of things (its card), which ``filigrane models show builtin`` prints; other prompts give its
nearest guess. Its weights are compared with their card before anything parses them; then it is a pipeline like any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filigrane.core.errors import NotFound, UnreadableInput
from filigrane.core.values import sha256_hex
from filigrane.generator.models import BUILTIN, ModelChoice

if TYPE_CHECKING:
    from filigrane.generator.models.stable_diffusion import StableDiffusion

WEIGHTS = Path(__file__).parent.parent / "weights" / "builtin"
CARD = "card.json"
NAME = BUILTIN
SIZE_PX = 256


@dataclass(frozen=True, slots=True)
class BuiltinCard:
    """What the model says of itself.

    ``knows`` lists nouns by kind and ``colours`` the colour words; ``steps`` and ``guidance`` are its defaults;
    ``trained_on`` names each source with its licence, ``limits`` what it can't do; ``sha256`` has the digest of every
    weight file of the folder.
    """

    name: str
    licence: str
    summary: str
    limits: str
    steps: int
    guidance: float
    seed: int
    knows: Mapping[str, tuple[str, ...]]
    colours: tuple[str, ...]
    trained_on: tuple[str, ...]
    metrics: Mapping[str, float]
    sha256: Mapping[str, str]

    def to_json(self) -> str:
        """The card as ``filigrane models show builtin`` prints it."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def card(folder: Path = WEIGHTS) -> BuiltinCard:
    """The card of the built-in model: NotFound where there are no weights, UnreadableInput where it is damaged."""
    path = folder / CARD
    if not path.is_file():
        raise NotFound(
            f"There are no built-in weights in {folder}: install a release that ships them, or train them with "
            "'filigrane train generator'."
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return BuiltinCard(
            name=str(raw["name"]),
            licence=str(raw["licence"]),
            summary=str(raw["summary"]),
            limits=str(raw.get("limits", "")),
            steps=int(raw["steps"]),
            guidance=float(raw["guidance"]),
            seed=int(raw["seed"]),
            knows={str(kind): tuple(map(str, nouns)) for kind, nouns in raw["knows"].items()},
            colours=tuple(map(str, raw["colours"])),
            trained_on=tuple(map(str, raw["trained_on"])),
            metrics={str(name): float(value) for name, value in raw["metrics"].items()},
            sha256={str(name): str(digest) for name, digest in raw["sha256"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableInput(
            f"{path} is not the card of a generator ({error!r}): install the package again."
        ) from error


def verify(folder: Path) -> BuiltinCard:
    """The card of ``folder``, whose weight files are all there and are the ones it names.

    Raises UnreadableInput for a file that is missing, is another, or that the card does not name.
    """
    known = card(folder)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")}
    for name in sorted(found | known.sha256.keys()):
        if name not in found or known.sha256.get(name) != sha256_hex((folder / name).read_bytes()):
            raise UnreadableInput(
                f"The weights {folder / name} are not those of their card: install the package again."
            )
    return known


def build(*, folder: Path = WEIGHTS, device: str = "auto") -> StableDiffusion:
    """The built-in generator; raises what `verify` raises, and ImportError where diffusers is not installed."""
    verify(folder)
    from filigrane.generator.models._single import SingleThreaded

    return SingleThreaded(ModelChoice(str(folder), device=device))
