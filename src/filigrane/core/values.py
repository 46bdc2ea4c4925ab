"""The values that travel between rooms: frozen, slotted, with read-only arrays.

Units are in the names; log-likelihood ratios (``llr``) are in nats, positive towards "made by AI";
probabilities are 0 to 1; times are UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Pixels: TypeAlias = NDArray[np.uint8]
"""uint8, (height, width, 3), sRGB, upright; (height, width) for an alpha plane."""


def frozen(array: Pixels) -> Pixels:
    """The same array, marked read-only (a view: the caller's own flags stay as they are)."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture: the exact bytes of its file, and what they look like.

    Readers of manifests and metadata take ``data``; models and watermarks take ``pixels``.
    """

    data: bytes = field(repr=False)
    pixels: Pixels = field(repr=False)
    format: str
    sha256: str
    origin: str = ""
    alpha: Pixels | None = field(default=None, repr=False)
    frames: int = 1
    notes: tuple[str, ...] = ()

    @property
    def width_px(self) -> int:
        """Width of the upright picture."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the upright picture."""
        return int(self.pixels.shape[0])


def sha256_hex(data: bytes) -> str:
    """SHA-256 of ``data`` in hexadecimal.

    >>> sha256_hex(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


class Finding(StrEnum):
    """What a source of evidence found."""

    PRESENT = "present"
    ABSENT = "absent"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one source says of one picture.

    ``llr`` is the log-likelihood ratio in nats (above 0: made by AI; 0: silent).
    ``false_positive_rate`` bounds how often this source would say so of a picture of human origin,
    where such a bound is known. Everything under ``details["personal"]`` is redacted unless asked for.
    """

    source: str
    finding: Finding
    llr: float
    summary: str
    details: Mapping[str, Json] = field(default_factory=dict)
    false_positive_rate: float | None = None


class Label(StrEnum):
    """The words of a verdict. There is no "real": absence of marks proves nothing."""

    AI_GENERATED = "ai_generated"
    LIKELY_AI = "likely_ai"
    INCONCLUSIVE = "inconclusive"
    NO_EVIDENCE_OF_AI = "no_evidence_of_ai"
    AUTHENTIC_PROVENANCE = "authentic_provenance"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer, with what it rests on: evidence, named conflicts, prior, and the policy that weighed them."""

    label: Label
    probability: float
    prior: float
    summary: str
    evidence: tuple[Evidence, ...]
    conflicts: tuple[str, ...]
    sha256: str
    policy_hash: str
    model_hash: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a watermark reader found: ``payload`` is None where no mark was found.

    ``p_value`` bounds the probability that an unmarked picture gives a reading at least this good.
    ``key_id`` names the key that answered.
    """

    payload: int | None
    p_value: float
    bit_accuracy: float | None = None
    key_id: str | None = None
    method: str = ""


class Integrity(StrEnum):
    """First axis of a manifest: do the signed bytes still match?"""

    INTACT = "intact"
    TAMPERED = "tampered"
    UNVERIFIED = "unverified"


class Trust(StrEnum):
    """Second axis of a manifest: who vouches for the signer?"""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Problem:
    """One validation failure in words, with the code of the C2PA specification."""

    code: str
    explanation: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A picture that went into this one; ``manifest`` is None where it carried none.

    ``problems`` are the ways in which it did not match its own manifest when it was added, or no longer matches what
    was recorded; who signed it stands in ``manifest``.
    """

    title: str
    relationship: str
    manifest: Manifest | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A C2PA manifest as read and validated.

    ``source_types`` are the digital source types (as written, normally URIs) of all reachable actions, own first;
    ``own_source_types`` those of this manifest alone. ``software_agents`` are what the actions say did the work.
    ``signed_at`` (UTC) rests on a trusted time stamp where ``time_stamped``, else on the signer's word. ``problems``
    belong to this manifest; those of an ingredient stand with it. A manifest that nothing refers to is not
    ``reachable``: it hangs among the ingredients, and its source types don't count.
    """

    label: str
    integrity: Integrity
    trust: Trust
    signer: str
    generator: str
    signed_at: datetime | None = None
    time_stamped: bool = False
    title: str = ""
    source_types: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    soft_bindings: tuple[tuple[str, str], ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    problems: tuple[Problem, ...] = ()
    reachable: bool = True
    author: str = ""
    own_source_types: tuple[str, ...] = ()
    software_agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure: its ``value`` and 95 % interval, over ``n`` samples of ``group``.

    ``group`` names what was selected, such as ``"delivery=jpeg-75;generator=sdxl"``. A figure that can't honestly be
    given has no ``value``, and ``note`` says what it would take.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    group: str = "all"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A measurement that can be repeated: figures, what was asked for, and where it ran; ``warnings`` come first."""

    name: str
    rows: tuple[Row, ...]
    config: Mapping[str, Json]
    environment: Mapping[str, Json]
    warnings: tuple[str, ...] = ()
