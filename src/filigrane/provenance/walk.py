"""From the validator's JSON report to `Manifest` values: all reachable manifests, their ingredients, what they declare.

The report is as hostile as the file it was made from, so every value is checked before use, texts are cut, and depth
and number of manifests are capped. An ingredient that was already broken when it was added leaves the whole file
valid; its failures stand only in the ingredient's own record, which is why all records are read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias

from filigrane.core.values import Ingredient, Integrity, Manifest, Problem, Trust
from filigrane.provenance.codes import SILENT, concerns_signer, means_tampering, problem

Record: TypeAlias = Mapping[str, object]

MAX_DEPTH = 16
MAX_MANIFESTS = 200
MAX_ITEMS = 500
MAX_TEXT = 300

_INGREDIENT = re.compile(r"/c2pa/([^/]+)/c2pa\.assertions/([^/]+)$")
_BOUND = frozenset(f"assertion.{kind}.match" for kind in ("dataHash", "bmffHash", "boxesHash", "collectionHash"))


@dataclass(frozen=True, slots=True)
class Checks:
    """The codes that the validator gave one manifest: what held, what failed, and what it merely remarks."""

    success: tuple[str, ...] = ()
    failure: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()

    def __add__(self, other: Checks) -> Checks:
        return Checks(
            self.success + other.success, _unique(self.failure + other.failure), _unique(self.remarks + other.remarks)
        )

    @property
    def integrity(self) -> Integrity:
        """First axis: tampered only where something signed no longer matches."""
        codes = [item.code for item in self.failure]
        if any(means_tampering(code) for code in codes):
            return Integrity.TAMPERED
        checked = "claimSignature.validated" in self.success and not _BOUND.isdisjoint(self.success)
        sound = checked and all(concerns_signer(code) for code in codes)
        return Integrity.INTACT if sound else Integrity.UNVERIFIED

    @property
    def trust(self) -> Trust:
        """Second axis: who vouches for the signer."""
        codes = {item.code for item in self.failure}
        if "signingCredential.ocsp.revoked" in codes:
            return Trust.REVOKED
        if not codes.isdisjoint({"signingCredential.invalid", "claimSignature.mismatch", "claimSignature.missing"}):
            return Trust.INVALID
        if not codes.isdisjoint({"signingCredential.expired", "claimSignature.outsideValidity"}):
            return Trust.EXPIRED
        trusted = "signingCredential.trusted" in self.success and "signingCredential.untrusted" not in codes
        return Trust.TRUSTED if trusted and "claimSignature.validated" in self.success else Trust.UNKNOWN

    @property
    def time_stamped(self) -> bool:
        """Whether a time-stamp authority that is trusted here vouches for the time of signing."""
        return "timeStamp.trusted" in self.success


@dataclass(slots=True)
class Walk:
    """One walk over a validator's report; counts what it has seen."""

    manifests: Mapping[str, Record]
    deltas: Mapping[tuple[str, str], Checks]
    reached: set[str] = field(default_factory=set)
    visits: int = 0

    def manifest(self, label: str, checks: Checks, path: tuple[str, ...] = ()) -> Manifest:
        """The manifest called ``label`` with everything that went into it; ``path`` are the labels above it."""
        record = self.manifests.get(label, {})
        self.reached.add(label)
        self.visits += 1
        ingredients, limits = self._ingredients(label, record, (*path, label))
        own = tuple(dict.fromkeys(_source_types(record)))
        below = (uri for item in ingredients if item.manifest is not None for uri in item.manifest.source_types)
        unknown = () if record else (problem("manifest.unknownProvenance", label),)
        stamp = _time(_record(record.get("signature_info")).get("time"))
        return Manifest(
            label=label,
            integrity=checks.integrity,
            trust=checks.trust,
            signer=_signer(record),
            generator=_generator(record),
            signed_at=stamp if stamp is not None else _declared_time(record),
            time_stamped=checks.time_stamped and stamp is not None,
            title=_text(record.get("title")),
            source_types=tuple(dict.fromkeys([*own, *below])),
            actions=tuple(_text(action.get("action")) for action in _actions(record)),
            soft_bindings=tuple(_soft_bindings(record)),
            ingredients=ingredients,
            problems=_unique(checks.failure + checks.remarks + unknown + limits),
            author=", ".join(dict.fromkeys(_authors(record))),
            own_source_types=own,
            software_agents=tuple(dict.fromkeys(_agents(record))),
        )

    def unreferenced(self) -> Iterator[Ingredient]:
        """The manifests that were not reached, each as an ingredient of no standing: its claims do not count."""
        for label in [label for label in self.manifests if label not in self.reached][:MAX_ITEMS]:
            record = self.manifests[label]
            found = Manifest(label, Integrity.UNVERIFIED, Trust.UNKNOWN, _signer(record), _generator(record))
            claims = ", ".join(dict.fromkeys(_source_types(record)))
            told = problem("manifest.unreferenced", label, f"it claims {claims}" if claims else "")
            yield Ingredient(_text(record.get("title")), "unreferenced", replace(found, reachable=False), (told,))

    def _ingredients(
        self, label: str, record: Record, path: tuple[str, ...]
    ) -> tuple[tuple[Ingredient, ...], tuple[Problem, ...]]:
        records = _records(record.get("ingredients"))
        found: list[Ingredient] = []
        for item in records[:MAX_ITEMS]:
            if self.visits >= MAX_MANIFESTS or len(path) >= MAX_DEPTH:
                return tuple(found), (problem("manifest.limit", label),)
            found.append(self._ingredient(label, item, path))
        return tuple(found), (problem("manifest.limit", label),) if len(records) > MAX_ITEMS else ()

    def _ingredient(self, parent: str, item: Record, path: tuple[str, ...]) -> Ingredient:
        label = _text(item.get("active_manifest"))
        checks = _recorded(item) + self.deltas.get((parent, _text(item.get("label"))), Checks())
        broken = tuple(told for told in checks.failure if not concerns_signer(told.code))
        manifest = None
        if label in path:
            broken += (problem("manifest.loop", label),)
            self.reached.add(label)
        elif label:
            manifest = self.manifest(label, checks, path)
        title = _text(item.get("title")) or _text(item.get("instance_id"))
        return Ingredient(title, _text(item.get("relationship")), manifest, broken)


def to_manifest(report: Record) -> Manifest:
    """The active manifest of a validator's report, with all that it reaches and all that it doesn't."""
    results = _record(report.get("validation_results"))
    manifests = {str(label): _record(value) for label, value in _record(report.get("manifests")).items()}
    active = _checks(_record(results.get("activeManifest")))
    deltas = _deltas(results)
    walk = Walk(manifests, deltas)
    # A delta is what no longer fits since an ingredient was added: the store was changed under the active claim.
    changed = tuple(told for checks in deltas.values() for told in checks.failure if means_tampering(told.code))
    label = _text(report.get("active_manifest")) or next(iter(manifests), "")
    found = walk.manifest(label, active + Checks(failure=changed))
    strays = () if any(told.code == "manifest.limit" for told in _all_problems(found)) else tuple(walk.unreferenced())
    return replace(found, ingredients=found.ingredients + strays)


def _all_problems(manifest: Manifest) -> Iterator[Problem]:
    yield from manifest.problems
    for item in manifest.ingredients:
        if item.manifest is not None:
            yield from _all_problems(item.manifest)


def _checks(results: Record) -> Checks:
    remarks = (told for told in _problems(results.get("informational")) if told.code not in SILENT)
    return Checks(
        tuple(_text(item.get("code")) for item in _records(results.get("success"))),
        _unique(tuple(_problems(results.get("failure")))),
        _unique(tuple(remarks)),
    )


def _recorded(ingredient: Record) -> Checks:
    """What the signer recorded of an ingredient when adding it, in the form of claims of version 2 or of version 1."""
    results = _record(_record(ingredient.get("validation_results")).get("activeManifest"))
    status = _records(ingredient.get("validation_status"))
    legacy = tuple(told for told in _problems(status) if told.code not in SILENT)
    return _checks(results) + Checks(failure=legacy)


def _deltas(results: Record) -> dict[tuple[str, str], Checks]:
    found: dict[tuple[str, str], Checks] = {}
    for item in _records(results.get("ingredientDeltas"))[:MAX_ITEMS]:
        named = _INGREDIENT.search(_text(item.get("ingredientAssertionURI")))
        key = (named[1], named[2]) if named else ("", "")
        found[key] = found.get(key, Checks()) + _checks(_record(item.get("validationDeltas")))
    return found


def _problems(value: object) -> Iterator[Problem]:
    for item in _records(value)[:MAX_ITEMS]:
        where = _text(item.get("url")).removeprefix("self#jumbf=")
        yield problem(_text(item.get("code")) or "general.error", where)


def _unique(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(dict.fromkeys(problems))


def _signer(record: Record) -> str:
    info = _record(record.get("signature_info"))
    names = (_text(info.get("common_name")), _text(info.get("issuer")))
    return ", ".join(dict.fromkeys(name for name in names if name))


def _generator(record: Record) -> str:
    first = next(iter(_records(record.get("claim_generator_info"))), {})
    return _named(first) or _text(record.get("claim_generator"))


def _named(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    info = _record(value)
    return " ".join(part for part in (_text(info.get("name")), _text(info.get("version"))) if part)


def _assertions(record: Record, *prefixes: str) -> Iterator[Record]:
    for item in _records(record.get("assertions"))[:MAX_ITEMS]:
        if _text(item.get("label")).startswith(prefixes):
            yield _record(item.get("data"))


def _actions(record: Record) -> list[Record]:
    found = [action for data in _assertions(record, "c2pa.actions") for action in _records(data.get("actions"))]
    return found[:MAX_ITEMS]


def _agents(record: Record) -> Iterator[str]:
    for action in _actions(record):
        if agent := _named(action.get("softwareAgent")):
            yield agent


def _source_types(record: Record) -> Iterator[str]:
    for action in _actions(record):
        if kind := _text(action.get("digitalSourceType")):
            yield kind
    for data in _assertions(record, "stds.iptc", "c2pa.metadata", "cawg.metadata"):
        for key, value in data.items():
            if key.rpartition(":")[2].casefold() == "digitalsourcetype" and (kind := _text(value)):
                yield kind


def _soft_bindings(record: Record) -> Iterator[tuple[str, str]]:
    for data in _assertions(record, "c2pa.soft-binding", "c2pa.soft_binding"):
        for block in _records(data.get("blocks"))[:MAX_ITEMS]:
            yield _text(data.get("alg")), _binding(block.get("value"))


def _binding(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        return bytes(value[:MAX_TEXT]).hex()
    return _text(value)


def _authors(record: Record) -> Iterator[str]:
    for data in _assertions(record, "stds.schema-org.CreativeWork"):
        people = data.get("author")
        for person in _records(people if isinstance(people, list) else [people]):
            if name := _text(person.get("name")):
                yield name
    for data in _assertions(record, "cawg.identity"):
        if name := _signer(data):
            yield name
        for identity in _records(data.get("verifiedIdentities")):
            if name := _text(identity.get("name")) or _text(identity.get("username")):
                yield name


def _declared_time(record: Record) -> datetime | None:
    times = [moment for action in _actions(record) if (moment := _time(action.get("when"))) is not None]
    return max(times, default=None)


def _time(value: object) -> datetime | None:
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(_text(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return None


def _text(value: object) -> str:
    return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""


def _record(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _records(value: object) -> list[Record]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
