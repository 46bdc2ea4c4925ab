"""The policy that weighs evidence: a versioned JSON file of weights and thresholds, named in verdicts by its hash."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from filigrane.core.errors import UsageError
from filigrane.core.values import sha256_hex


@dataclass(frozen=True, slots=True)
class Policy:
    """Weights and thresholds in nats.

    ``declared`` names the sources that one and the same tool may have written, so that they count once;
    ``decisive`` names those that may carry the label ``ai_generated``.
    """

    version: str
    hash: str
    weights: Mapping[str, float]
    thresholds: Mapping[str, float]
    declared: frozenset[str]
    decisive: frozenset[str]
    cap: float

    def weight(self, name: str) -> float:
        """The weight ``name`` in nats; KeyError for a name the policy does not have."""
        return self.weights[name]


def load_policy(path: Path | None = None) -> Policy:
    """The policy in ``path``, or the one that ships. Raises UsageError where the file is not one.

    A file of the user's own may hold any part: what it leaves out keeps the shipped value.
    """
    shipped = json.loads(_shipped())
    if path is None:
        return _parse(shipped, "the shipped policy")
    try:
        own = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"The policy file {path} can't be used ({error}); give a JSON file of weights.") from error
    return _parse(_merged(shipped, own, path), str(path))


def _merged(shipped: dict[str, Any], own: Any, path: Path) -> dict[str, Any]:
    """The shipped policy with the user's own values; a name that stands for nothing is an error, not a silence."""
    _check_names(own, shipped, str(path))
    for part, value in shipped.items():
        if isinstance(value, dict) and part in own:
            _check_names(own[part], value, f"{part!r} in {path}")
    return {
        name: {**value, **own.get(name, {})} if isinstance(value, dict) else own.get(name, value)
        for name, value in shipped.items()
    }


def _check_names(own: Any, known: dict[str, Any], where: str) -> None:
    if not isinstance(own, dict):
        raise UsageError(f"An object of names and values was expected as {where} of the policy.")
    if unknown := sorted(set(own) - set(known)):
        raise UsageError(f"{unknown[0]!r} stands for nothing in {where}; known are: {', '.join(sorted(known))}.")


@cache
def _shipped() -> str:
    return files("filigrane.detector").joinpath("policy.json").read_text(encoding="utf-8")


def _parse(raw: Mapping[str, object], where: str) -> Policy:
    try:
        weights, thresholds = raw["weights"], raw["thresholds"]
        declared, decisive = raw["declared"], raw["decisive"]
        if not (isinstance(weights, dict) and isinstance(thresholds, dict)):
            raise TypeError("weights and thresholds are objects of numbers")
        if not (isinstance(declared, list) and isinstance(decisive, list)):
            raise TypeError("declared and decisive are lists of source names")
        if _number(raw["cap"]) <= 0:
            raise ValueError("the cap is a number above 0")
        return Policy(
            version=str(raw["version"]),
            hash=sha256_hex(json.dumps(raw, sort_keys=True).encode())[:16],
            weights={str(name): _number(value) for name, value in weights.items()},
            thresholds={str(name): _number(value) for name, value in thresholds.items()},
            declared=frozenset(map(str, declared)),
            decisive=frozenset(map(str, decisive)),
            cap=_number(raw["cap"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"The policy in {where} is not usable: {error}.") from error


def _number(value: object) -> float:
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError(f"{value} is no number of nats")
    return number
