"""What a manifest is to declare, and its definition in the form that the C2PA library signs.

The library signs any vocabulary it is given; here only what the specification knows can be said. Sources: C2PA 2.4
("Actions", "Soft binding", "Ingredient"), CAWG training and data mining 1.1, California SB 942 (latent disclosure).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from filigrane.core.errors import UsageError
from filigrane.core.text import encodable
from filigrane.core.values import Json
from filigrane.provenance.source_types import SourceType

SPECIFICATION = "2.4"
DISCLOSURE_LABEL = "io.filigrane.disclosure"

REGISTERED_BINDINGS = (
    "com.adobe.trustmark.",
    "com.digimarc.validate.",
    "com.microsoft.invismark.",
    "io.iscc.v0",
    "io.filigrane.",
)
"""Starts of the soft-binding algorithm names that may be signed: those of the C2PA list that we know, and our own."""

MAX_TEXT = 300


class Edit(StrEnum):
    """What was done to a parent picture; a watermark is told apart from this."""

    EDITED = "c2pa.edited"
    METADATA = "c2pa.edited.metadata"
    CONVERTED = "c2pa.converted"
    RESIZED = "c2pa.resized"


class Relationship(StrEnum):
    """How another picture went into this one."""

    PARENT = "parentOf"
    INPUT = "inputTo"


class Use(StrEnum):
    """Whether the picture may be used for training and data mining."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "notAllowed"


@dataclass(frozen=True, slots=True)
class Software:
    """A program or model by name and version."""

    name: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class SoftBinding:
    """A watermark that leads back to the manifest: the algorithm's registered name, and its payload as text."""

    alg: str
    value: str


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The latent disclosure of California SB 942: provider, system with version, time (UTC), and a unique id."""

    provider: str
    system: Software
    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Source:
    """A picture that went in: its exact bytes, format, title and relationship."""

    data: bytes = field(repr=False)
    format: str
    title: str = ""
    relationship: Relationship = Relationship.PARENT


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a manifest is to say of a picture.

    ``agent`` did the work at ``at`` (UTC); ``claimant`` is the program that writes the claim. Without a parent among
    ``sources`` the picture counts as created and needs a ``source_type``; with one it counts as opened, and ``edit``
    says what was done to it (None: nothing but what else stands here).
    """

    agent: Software
    claimant: Software
    at: datetime
    source_type: SourceType | None = None
    title: str = ""
    edit: Edit | None = Edit.EDITED
    sources: tuple[Source, ...] = ()
    soft_bindings: tuple[SoftBinding, ...] = ()
    mining: Use | None = Use.NOT_ALLOWED
    disclosure: Disclosure | None = None

    @property
    def parent(self) -> Source | None:
        """The picture that this one was made from, if any."""
        return next((item for item in self.sources if item.relationship is Relationship.PARENT), None)


def ingredient_id(position: int) -> str:
    """The label by which actions refer to the source at ``position``.

    >>> ingredient_id(0)
    'source-0'
    """
    return f"source-{position}"


def definition(declaration: Declaration) -> dict[str, Json]:
    """The manifest definition of ``declaration``; raises UsageError where it says what the specification does not know.

    >>> software = Software("Filigrane", "1.0")
    >>> made = definition(Declaration(software, software, datetime(2026, 1, 1), SourceType.DIGITAL_ART))
    >>> made["assertions"][0]["data"]["actions"][0]["action"]
    'c2pa.created'
    """
    _check(declaration)
    claimant = _software(declaration.claimant) | {"specVersion": SPECIFICATION}
    return {
        "claim_generator_info": [claimant],
        "title": declaration.title,
        "assertions": list(_assertions(declaration)),
    }


def _assertions(declaration: Declaration) -> Iterator[dict[str, Json]]:
    actions: Json = {"allActionsIncluded": True, "actions": list(_actions(declaration))}
    yield _assertion("c2pa.actions.v2", actions)
    for binding in declaration.soft_bindings:
        blocks: Json = [{"scope": {}, "value": binding.value}]
        yield _assertion("c2pa.soft-binding", {"alg": binding.alg, "blocks": blocks, "pad": [0]})
    if declaration.mining is not None:
        kinds = ("ai_inference", "ai_training", "ai_generative_training", "data_mining")
        entries: Json = {f"cawg.{kind}": {"use": declaration.mining.value} for kind in kinds}
        yield _assertion("cawg.training-mining", {"entries": entries})
    if declaration.disclosure is not None:
        yield _assertion(DISCLOSURE_LABEL, _disclosure(declaration.disclosure))


def _assertion(label: str, data: Json) -> dict[str, Json]:
    return {"label": label, "created": True, "data": data}


def _actions(declaration: Declaration) -> Iterator[Json]:
    common: dict[str, Json] = {"when": timestamp(declaration.at), "softwareAgent": _software(declaration.agent)}
    own = dict(common)
    if declaration.source_type is not None:
        own["digitalSourceType"] = declaration.source_type.uri
    own |= _ingredients(declaration, Relationship.INPUT)
    if declaration.parent is None:
        yield {"action": "c2pa.created", **own}
    else:
        yield {"action": "c2pa.opened", **common, **_ingredients(declaration, Relationship.PARENT)}
        if declaration.edit is not None:
            yield {"action": declaration.edit.value, **own}
    if declaration.soft_bindings:
        yield {"action": "c2pa.watermarked.bound", **common}


def _ingredients(declaration: Declaration, relationship: Relationship) -> dict[str, Json]:
    sources = enumerate(declaration.sources)
    ids = [ingredient_id(position) for position, item in sources if item.relationship is relationship]
    return {"parameters": {"ingredientIds": ids}} if ids else {}


def _software(software: Software) -> dict[str, Json]:
    named: dict[str, Json] = {"name": software.name}
    return named | {"version": software.version} if software.version else named


def _disclosure(disclosure: Disclosure) -> Json:
    return {
        "provider": disclosure.provider,
        "system": _software(disclosure.system),
        "created": timestamp(disclosure.at),
        "id": disclosure.id,
    }


def timestamp(moment: datetime) -> str:
    """A moment as manifests write it: UTC, whole seconds; one without a zone counts as UTC.

    >>> timestamp(datetime(2026, 1, 2, 3, 4, 5))
    '2026-01-02T03:04:05Z'
    """
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check(declaration: Declaration) -> None:
    parents = [item for item in declaration.sources if item.relationship is Relationship.PARENT]
    if len(parents) > 1:
        raise UsageError(f"A picture has one parent; {len(parents)} were given: pass the others as inputs.")
    if not parents and declaration.source_type is None:
        raise UsageError("A created picture needs a digital source type, such as trainedAlgorithmicMedia.")
    texts = [declaration.title, declaration.agent.name, declaration.agent.version, declaration.claimant.name]
    if declaration.disclosure is not None:
        texts += [declaration.disclosure.provider, declaration.disclosure.id]
    if too_long := next((text for text in texts if len(text) > MAX_TEXT), None):
        raise UsageError(f"A text in a manifest has up to {MAX_TEXT} characters; {too_long[:40]!r}… has more.")
    if odd := next((text for text in texts if encodable(text) != text), None):
        raise UsageError(f"A text in a manifest is given in UTF-8; {odd[:40]!r} is not.")
    if not declaration.agent.name or not declaration.claimant.name:
        raise UsageError("A manifest names the software that made and signed the picture; a name was empty.")
    for binding in declaration.soft_bindings:
        _check_binding(binding)


def _check_binding(binding: SoftBinding) -> None:
    named = re.fullmatch(r"[A-Za-z0-9]+(\.[A-Za-z0-9_-]+)+", binding.alg)
    if named is None or not binding.alg.startswith(REGISTERED_BINDINGS):
        listed = ", ".join(f"{start}*" for start in REGISTERED_BINDINGS)
        raise UsageError(f"The soft-binding algorithm {binding.alg!r} is not registered; known are {listed}.")
    if not binding.value:
        raise UsageError(f"The soft binding {binding.alg} has no value.")
