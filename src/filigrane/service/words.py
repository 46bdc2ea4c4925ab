"""What evidence says, in the reader's language and without terms of art, for the page.

The sentences of the evidence itself are English and exact; they stand beside these under the details. A source that
has no sentences here, such as a third party's, is shown with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from filigrane.app.recover import Recovered, Route
from filigrane.core.values import Evidence, Finding, Trust
from filigrane.detector.conflicts import find_conflicts
from filigrane.provenance.source_types import Generative, parse
from filigrane.service.schemas import EvidenceOut, VerdictOut

Texts = Mapping[str, str]
_STRONG_NATS, _SOME_NATS = 4.6, 0.5
_DOUBTFUL_NATS = 0.9
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Said:
    """Sentences, and whether they are in the reader's language (otherwise in English)."""

    text: str
    translated: bool = True


def sentence(item: EvidenceOut, t: Texts) -> Said:
    """What one piece of evidence says."""
    if item.finding is Finding.UNAVAILABLE:
        return Said(t["say.unavailable"])
    speak = _SPEAKERS.get(item.source)
    text = speak(item, t) if speak is not None else ""
    return Said(text) if text else Said(item.summary, t["lang"] == "en")


def leaning(item: EvidenceOut, t: Texts) -> str:
    """Which way it speaks, and how clearly; empty where it says nothing of AI."""
    side = "ai" if item.llr > 0 else "human"
    degree = abs(item.llr)
    if degree < _SOME_NATS:
        return ""
    return t[f"leans.{side}.{'strong' if degree >= _STRONG_NATS else 'some'}"]


def conflicts(evidence: list[EvidenceOut], verdict: VerdictOut, t: Texts) -> Said:
    """The contradictions of ``verdict``, in the reader's language where they can be found again, one a line."""
    items = [Evidence(item.source, item.finding, item.llr, item.summary, item.details) for item in evidence]
    found = find_conflicts(items, weight=verdict.thresholds.get("conflict", 0.0))
    if len(found) == len(verdict.conflicts):
        return Said("\n".join(t[f"conflict.{conflict.code}"] for conflict in found))
    return Said("\n".join(verdict.conflicts), t["lang"] == "en")


def recovered(found: Recovered, t: Texts) -> str:
    """What came of looking for the manifest of a picture."""
    name = "look" if found.route is Route.LOOK else found.state.value
    parts = [t[f"recovered.{name}"]]
    if found.manifest is not None and found.found:
        trust = t[f"trust.{found.manifest.trust.value}"]
        parts.append(t["recovered.holds"].format(signer=found.manifest.signer, trust=trust))
    elif found.mark is not None and not found.holds:
        parts.append(t["recovered.broken"])
    return " ".join(parts)


def _manifest(item: EvidenceOut, t: Texts) -> str:
    if item.finding is Finding.ABSENT:
        return t["say.manifest.absent"]
    facts = item.details
    maker, signer = facts.get("generator") or t["say.unnamed"], facts.get("signer") or t["say.unnamed"]
    trust = str(facts.get("signer_trust"))
    parts = [t[f"say.manifest.{_declared(facts)}"], t.get(f"say.manifest.{facts.get('integrity')}", "")]
    if trust != Trust.TRUSTED:
        parts.append(t.get(f"say.trust.{trust}", ""))
    if any(ingredient.get("problems") for ingredient in _ingredients(facts)):
        parts.append(t["say.manifest.ingredients"])
    return " ".join(parts).format(maker=maker, signer=signer)


def _declared(manifest: Mapping[str, Any]) -> str:
    """The strongest statement on AI in a manifest and what went into it, as `filigrane.detector.declared` finds it."""
    nested = [item["manifest"] for item in _ingredients(manifest) if item.get("manifest")]
    uris = [uri for each in (manifest, *nested) for uri in each.get("source_types", ())]
    kinds = {kind.generative for uri in uris if (kind := parse(uri)) is not None}
    return next((kind.value for kind in (Generative.YES, Generative.POSSIBLY) if kind in kinds), Generative.NO.value)


def _ingredients(manifest: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    for item in manifest.get("ingredients", ()):
        yield item
        if item.get("manifest") and depth < _DEEPEST:
            yield from _ingredients(item["manifest"], depth + 1)


def _watermark(item: EvidenceOut, t: Texts) -> str:
    facts = item.details
    if item.finding is Finding.ABSENT:
        return t["say.watermark.absent"]
    if "id" not in facts:
        return t["say.watermark.foreign"]
    issued = facts.get("registry")
    if not issued:
        return t["say.watermark.unknown"].format(id=facts["id"])
    if issued.get("revoked"):
        return t["say.watermark.revoked"].format(id=facts["id"])
    if issued.get("look") == "different":
        return t["say.watermark.copied"].format(id=facts["id"])
    who = ", ".join(part for name in ("provider", "system") if (part := issued.get(name))) or t["say.unnamed"]
    told = "say.watermark.alike" if issued.get("look") == "same" else "say.watermark.registered"
    return t[told].format(id=facts["id"], date=str(issued.get("issued_at"))[:10], who=who)


def _latent(item: EvidenceOut, t: Texts) -> str:
    if item.finding is Finding.ABSENT:
        return t["say.latent.absent"]
    number = item.details.get("id")
    return t["say.latent.numbered"].format(id=number) if number else t["say.latent.found"]


def _metadata(item: EvidenceOut, t: Texts) -> str:
    marks = item.details.get("marks")
    if item.finding is Finding.ABSENT or not marks:
        return t["say.metadata.absent"]
    return t.get(f"say.metadata.{marks[0].get('says')}", "").format(tool=marks[0].get("tool"))


def _camera(item: EvidenceOut, t: Texts) -> str:
    facts = item.details
    if "signer" in facts:
        return t["say.camera.signed"].format(signer=facts["signer"])
    name = " ".join(str(facts[key]) for key in ("make", "model") if facts.get(key)) or t["say.unnamed"]
    if item.finding is Finding.PRESENT:
        return t["say.camera.present"].format(name=name)
    return t["say.camera.named" if facts else "say.camera.absent"].format(name=name)


def _classifier(item: EvidenceOut, t: Texts) -> str:
    if item.finding is Finding.PRESENT:
        return t["say.classifier.present"]
    return t["say.classifier.doubtful" if item.llr >= _DOUBTFUL_NATS else "say.classifier.absent"]


_SPEAKERS: Mapping[str, Callable[[EvidenceOut, Texts], str]] = {
    "manifest": _manifest,
    "watermark": _watermark,
    "latent": _latent,
    "metadata": _metadata,
    "camera": _camera,
    "classifier": _classifier,
}
