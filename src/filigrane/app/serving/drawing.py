"""Generating for a server: one model that stays loaded, one picture at a time, a short line before it.

What leaves here went the whole way of `filigrane.app.generate`: guarded, marked, signed, registered and read back.
"""

from __future__ import annotations

import base64
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from filigrane.app.generate import Studio
from filigrane.app.generate_guard import Gate
from filigrane.app.generate_model import ModelChoice
from filigrane.app.order import Order, Said
from filigrane.app.serving.line import Line
from filigrane.core.errors import FiligraneError
from filigrane.core.image import EXTENSIONS, decode, encode
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Verdict, sha256_hex
from filigrane.generator.task import Progress

_SECONDS_EACH = 15


@dataclass(frozen=True, slots=True)
class Sitting:
    """What to draw: words, format, size (None: the model's own), seed (None: by chance), how many, and pictures.

    ``start`` is the file of the picture to begin with, ``mask`` what of it to paint anew (white); empty for none.
    ``previews`` is how many rough pictures to show on the way.
    """

    prompt: str
    format: str = "png"
    width_px: int | None = None
    height_px: int | None = None
    seed: int | None = None
    count: int = 1
    start: bytes = field(default=b"", repr=False)
    mask: bytes = field(default=b"", repr=False)
    previews: int = 0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as handed over: its bytes, size, seed, the mark in its pixels (15 hexadecimal digits), the verdict."""

    data: bytes = field(repr=False)
    width_px: int
    height_px: int
    seed: int
    mark: str
    sha256: str
    verdict: Verdict = field(repr=False)


class Made(Protocol):
    """A picture that a studio handed over; see `filigrane.app.generate.Generated`."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    @property
    def seed(self) -> int:
        """The seed it was drawn with."""
        ...

    @property
    def mark(self) -> int:
        """The number in its pixels."""
        ...

    @property
    def verdict(self) -> Verdict:
        """What a scan of the written bytes says."""
        ...


class Draws(Protocol):
    """What draws, marks, signs and reads back: `filigrane.app.generate.Studio`, or a fake of it."""

    def make(
        self, order: Order, said: Said | None = None, progress: Callable[[Progress], None] | None = None
    ) -> Iterator[Made]:
        """The pictures of ``order``, one by one."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Let go of what is held."""
        ...


OpenStudio = Callable[[Settings, ModelChoice], Draws]


def open_studio(settings: Settings, choice: ModelChoice) -> Draws:
    """The studio of the model, behind the guard of these settings."""
    return Studio.open(settings, choice, Gate.open(settings))


class DrawingRoom:
    """Makes pictures with one model, which is loaded at the first order and stays."""

    def __init__(
        self, settings: Settings, model: str, *, waiting: int = 4, open_studio: OpenStudio = open_studio
    ) -> None:
        """``model`` is one that `filigrane generate --model` takes; ``waiting`` orders stand in line at most."""
        self._settings = settings
        self._choice = ModelChoice(model)
        self._open = open_studio
        self._line = Line(waiting, seconds_each=_SECONDS_EACH)
        self._turn = threading.Lock()

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._choice.name

    def close(self) -> None:
        """Wait for the picture in hand and let the model go."""
        with self._turn:
            if "_studio" in self.__dict__:
                self._studio.__exit__(None, None, None)

    @cached_property
    def _studio(self) -> Draws:
        return self._open(self._settings, self._choice)

    def draw(self, sitting: Sitting, preview: Callable[[int, bytes], None] | None = None) -> tuple[Drawn, ...]:
        """The pictures of one sitting; ``preview`` gets the number and the file of each rough picture on the way.

        Raises Busy where the line is full, Refused where the guard says no, and what generating raises.
        """
        with self._line.place(), self._turn, tempfile.TemporaryDirectory(prefix="filigrane-draw-") as name:
            folder = Path(name)
            start = self._safe(sitting.start, folder / "start", _readable)
            mask = self._safe(sitting.mask, folder / "mask", _painted_mask)
            output = folder / f"filigrane{EXTENSIONS[sitting.format][0]}"
            order = Order(
                sitting.prompt,
                output,
                seed=sitting.seed,
                width_px=sitting.width_px,
                height_px=sitting.height_px,
                count=sitting.count,
                start=start,
                mask=mask,
            )
            told = _Previews(sitting, preview) if preview is not None and sitting.previews else None
            made = []
            for generated in self._studio.make(order, Said(title="Picture"), told):
                data = generated.path.read_bytes()
                height, width = decode(data).pixels.shape[:2]
                mark = f"{generated.mark:015x}"
                made.append(Drawn(data, width, height, generated.seed, mark, sha256_hex(data), generated.verdict))
        return tuple(made)

    def _safe(self, data: bytes, path: Path, read: Callable[[Settings, bytes], bytes]) -> Path | None:
        """The uploaded picture as a file, as a guarded worker could ``read`` it; None where there is none."""
        if not data:
            return None
        settings = self._settings
        with GuardedPool(1, settings.memory_bytes, settings.timeout_s) as pool:
            outcome = pool.run(partial(read, settings), data)
        if isinstance(outcome, FiligraneError):
            raise outcome
        path.write_bytes(outcome)
        return path


class _Previews:
    """Passes on a rough picture at evenly spread steps, never more than were asked for."""

    def __init__(self, sitting: Sitting, show: Callable[[int, bytes], None]) -> None:
        self._sitting = sitting
        self._show = show
        self._shown = 0

    def __call__(self, progress: Progress) -> None:
        due = progress.step * (self._sitting.previews + 1) >= progress.steps * (self._shown + 1)
        if due and self._shown < self._sitting.previews and progress.preview is not None:
            self._show(self._shown, encode(progress.preview(), self._sitting.format))
            self._shown += 1


def data_url(drawn: Drawn, media_type: str) -> str:
    """The picture as a ``data:`` address, for pages that can't run scripts."""
    return f"data:{media_type};base64,{base64.b64encode(drawn.data).decode()}"


def _readable(settings: Settings, data: bytes) -> bytes:
    decode(data, limits=settings.limits)
    return data


def _painted_mask(settings: Settings, data: bytes) -> bytes:
    """A mask as this program takes it, white where to paint: OpenAI's clients send it transparent there instead."""
    picture = decode(data, limits=settings.limits)
    if picture.alpha is None or not (picture.alpha == 0).any():
        return data
    painted = np.where(picture.alpha == 0, np.uint8(255), np.uint8(0))
    return encode(np.repeat(painted[..., None], 3, axis=2), "png")
