"""Any program that prints a score: ``prog {path}``, run once for each picture, without a shell."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.values import Pixels
from filigrane.eval.metrics import Float
from filigrane.eval.scorers._shared import hash_of, middle_of, png, scale_of

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class Command:
    """Runs ``command``, in which ``{path}`` stands for a PNG file; the last number that it prints is the score."""

    def __init__(self, command: str, *, scale: str = "score", timeout_s: float = 60.0) -> None:
        """Raises UsageError where ``{path}`` or the program is missing."""
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"The command {command!r} can't be taken apart ({error}); check its quotes.") from error
        if not any("{path}" in word for word in self._words):
            raise UsageError(f"The command {command!r} has no {{path}}; say where the picture goes: 'prog {{path}}'.")
        program = shutil.which(self._words[0])
        if program is None:
            raise UsageError(f"There is no program {self._words[0]!r}; give its path or install it.")
        self.name = f"command {Path(self._words[0]).name}"
        self.scale, self.threshold = scale_of(scale), middle_of(scale)
        files = [path for path in map(Path, (program, *self._words[1:])) if path.is_file()]
        self.hash = hash_of("command", command, scale, *files)
        self._timeout_s = timeout_s

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """The score of each picture; raises UnreadableInput where the program fails on one."""
        with tempfile.TemporaryDirectory(prefix="filigrane-") as folder:
            path = Path(folder) / "picture.png"
            scores = []
            for picture in pictures:
                path.write_bytes(png(picture))
                scores.append(self._ask(path))
        return np.array(scores, np.float64)

    def _ask(self, path: Path) -> float:
        words = [word.replace("{path}", str(path)) for word in self._words]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=self._timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise UnreadableInput(f"{self.name} gave no answer within {self._timeout_s:g} s.") from error
        except OSError as error:
            raise UsageError(f"{self.name} can't be run ({error}).") from error
        text = done.stdout.decode("utf-8", "replace")
        numbers = _NUMBER.findall(text)
        if done.returncode or not numbers:
            said = (done.stderr.decode("utf-8", "replace").strip() or text.strip())[-200:]
            raise UnreadableInput(f"{self.name} ended with {done.returncode} and no score: {said!r}")
        return float(numbers[-1])


def build(target: str, *, scale: str = "score", timeout_s: str = "60") -> Command:
    """The scorer that runs the command ``target``."""
    return Command(target, scale=scale, timeout_s=float(timeout_s))
