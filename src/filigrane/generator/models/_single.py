"""A pipeline that keeps to one thread of the processor, for models too small to share out.

Threads that wait for each other at every layer gain little on a model of a few million parameters and lose much on a
busy machine; and sums in another order round to another picture, so one thread also keeps the picture of a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from filigrane.core.values import Pixels
from filigrane.generator.latent.spreading import Values
from filigrane.generator.models.stable_diffusion import StableDiffusion
from filigrane.generator.task import Painted, Task


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread inside, and on as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class SingleThreaded(StableDiffusion):
    """The same, on one thread."""

    def paint(self, task: Task) -> Painted:
        """As `StableDiffusion.paint`."""
        with one_thread():
            return super().paint(task)

    def noise(self, pixels: Pixels, size: tuple[int, int] | None = None) -> Values:
        """As `StableDiffusion.noise`."""
        with one_thread():
            return super().noise(pixels, size)
