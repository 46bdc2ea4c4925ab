"""The loop that every stage of the training shares: a budget in seconds, a checkpoint that resumes, averages, a log.

The learning rate follows the time spent, not the steps taken: on a machine shared with others a run still ends with
its learning rate at zero when its time is up.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

PEAK_AT = 0.03
"""Fraction of the budget after which the learning rate is at its peak."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stage runs: ``budget_s`` of time in all, ``batch`` pictures a step, and how often it saves itself.

    ``half`` computes in bfloat16 on the processor and on a GPU alike; weights and their average stay in float32.
    """

    budget_s: float
    batch: int
    learning_rate: float
    seed: int = 7
    average: float = 0.999
    save_every_s: float = 120.0
    weight_decay: float = 0.01
    half: bool = True
    device: str = "cpu"


def rate_at(fraction: float) -> float:
    """Learning rate at a fraction of the budget, relative to its peak: a short rise, then half a cosine.

    >>> rate_at(0.0), rate_at(0.03), round(rate_at(1.0), 3)
    (0.0, 1.0, 0.0)
    """
    if fraction < PEAK_AT:
        return fraction / PEAK_AT
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (fraction - PEAK_AT) / (1 - PEAK_AT))))


class Average:
    """An exponential moving average of a model's parameters, warmed up so that early steps don't linger."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the model after ``step`` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        moving = dict(model.named_parameters())
        torch._foreach_lerp_([self.state[name] for name in moving], list(moving.values()), 1 - decay)


@dataclass(slots=True)
class Progress:
    """Where a run stands: steps taken and seconds spent, over all its parts."""

    step: int = 0
    elapsed_s: float = 0.0


class Run:
    """One stage being trained: model, optimiser, average and progress, in one file that a later run resumes from."""

    def __init__(self, model: nn.Module, plan: Plan, folder: Path) -> None:
        self.model, self.plan, self.folder = model.to(plan.device), plan, folder
        decayed = [value for value in model.parameters() if value.ndim > 1 and value.requires_grad]
        plain = [value for value in model.parameters() if value.ndim <= 1 and value.requires_grad]
        groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.98), fused=True)
        self.average = Average(model, plan.average)
        self.progress = Progress()
        self.rng = np.random.default_rng(plan.seed)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """The file that holds everything a later run needs."""
        return self.folder / "checkpoint.pt"

    def resume(self) -> bool:
        """Take up the checkpoint of an earlier run; False where there is none."""
        if not self.checkpoint.is_file():
            return False
        state = torch.load(self.checkpoint, weights_only=True, map_location=self.plan.device)
        self.model.load_state_dict(state["model"])
        self.average.state = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress = Progress(state["step"], state["elapsed_s"])
        self.rng = np.random.default_rng((self.plan.seed, self.progress.step))
        return True

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(
            {
                "model": self.model.state_dict(),
                "average": self.average.state,
                "optimiser": self.optimiser.state_dict(),
                "step": self.progress.step,
                "elapsed_s": self.progress.elapsed_s,
            },
            partial,
        )
        partial.replace(self.checkpoint)

    def go(self, loss: Callable[[np.random.Generator], torch.Tensor], watch: Callable[[], None]) -> None:
        """Train until the budget is spent: ``loss`` draws a batch and gives a scalar, ``watch`` sees each save."""
        last, saved, seen = time.monotonic(), self.progress.elapsed_s, []
        while self.progress.elapsed_s < self.plan.budget_s:
            for group in self.optimiser.param_groups:
                group["lr"] = self.plan.learning_rate * rate_at(self.progress.elapsed_s / self.plan.budget_s)
            value = loss(self.rng)
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.progress.step += 1
            self.average.update(self.model, self.progress.step)
            seen.append(float(value.detach()))
            now = time.monotonic()
            self.progress.elapsed_s += now - last
            last = now
            if self.progress.elapsed_s - saved >= self.plan.save_every_s:
                self._note(float(np.mean(seen)))
                self.save()
                watch()
                saved, seen, last = self.progress.elapsed_s, [], time.monotonic()
        if seen:
            self._note(float(np.mean(seen)))
        self.save()
        watch()

    def _note(self, loss: float) -> None:
        """Add a line to the curve."""
        path = self.folder / "curve.csv"
        new = not path.is_file()
        with path.open("a", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            if new:
                lines.writerow(["step", "elapsed_s", "loss"])
            lines.writerow([self.progress.step, round(self.progress.elapsed_s, 1), round(loss, 5)])
