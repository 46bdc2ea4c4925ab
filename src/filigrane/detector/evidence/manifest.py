"""Evidence from the C2PA manifest: what a signed statement says of generative AI, and how far it can be believed."""

from __future__ import annotations

from filigrane.core.values import Evidence, Finding, Ingredient, Integrity, Json, Manifest, Picture, Trust
from filigrane.detector.base import Context
from filigrane.detector.declared import declared, ingredients
from filigrane.provenance.source_types import Generative

SIGNERS = {
    Trust.TRUSTED: "a trusted signer",
    Trust.UNKNOWN: "a signer that none of the trust lists knows",
    Trust.EXPIRED: "a signer whose certificate has expired, so that no trust list vouches for it",
    Trust.REVOKED: "a signer whose certificate was revoked",
    Trust.INVALID: "a signer whose certificate is not valid",
}


class ManifestEvidence:
    """Reads the manifest, walks its ingredients, and says what it declares."""

    name = "manifest"
    guarded = True

    def __init__(self, context: Context) -> None:
        self._context = context

    def examine(self, picture: Picture) -> Evidence:
        """Present where a manifest is intact, invalid where it was tampered with or can't be checked."""
        manifest = self._context.manifest(picture)
        if manifest is None:
            return Evidence(self.name, Finding.ABSENT, 0.0, "There is no C2PA manifest.")
        generative = declared(manifest)
        intact = manifest.integrity is Integrity.INTACT
        return Evidence(
            source=self.name,
            finding=Finding.PRESENT if intact else Finding.INVALID,
            llr=self._llr(manifest, generative),
            summary=_summary(manifest, generative),
            details=describe(manifest),
        )

    def _llr(self, manifest: Manifest, generative: Generative) -> float:
        if generative is Generative.NO:
            return 0.0
        degree = "generative" if generative is Generative.YES else "possible"
        if manifest.integrity is not Integrity.INTACT or manifest.trust in (Trust.REVOKED, Trust.INVALID):
            return self._context.policy.weight("manifest.broken.generative") if degree == "generative" else 0.0
        if manifest.trust is Trust.TRUSTED:
            return self._context.policy.weight(f"manifest.trusted.{degree}")
        # An expired certificate is no better than an unknown one: the validator no longer asks who issued it.
        return self._context.policy.weight(f"manifest.unknown.{degree}")


def _summary(manifest: Manifest, generative: Generative) -> str:
    maker = manifest.generator or "an unnamed tool"
    signer = SIGNERS[manifest.trust] + (f" ({manifest.signer})" if manifest.signer else "")
    says = {
        Generative.YES: f"A C2PA manifest by {maker} declares generative AI",
        Generative.POSSIBLY: f"A C2PA manifest by {maker} declares a composite or digital art, possibly with AI",
        Generative.NO: f"A C2PA manifest by {maker} declares no generative AI",
    }[generative]
    state = {
        Integrity.INTACT: f"signed by {signer}; nothing was changed since.",
        Integrity.TAMPERED: f"but the file or the manifest was changed after it was signed by {signer}.",
        Integrity.UNVERIFIED: f"but it can't be checked against the file; it names {signer}.",
    }[manifest.integrity]
    broken = [item.title or "an ingredient" for item in ingredients(manifest) if item.problems]
    tail = f" Ingredients that no longer match what was signed: {', '.join(broken)}." if broken else ""
    return f"{says}, {state}{tail}"


def describe(manifest: Manifest) -> dict[str, Json]:
    """The manifest as JSON, ingredients nested; the author stands under ``personal``."""
    details: dict[str, Json] = {
        "label": manifest.label,
        "integrity": manifest.integrity.value,
        "signer_trust": manifest.trust.value,
        "signer": manifest.signer,
        "generator": manifest.generator,
        "signed_at": manifest.signed_at.isoformat() if manifest.signed_at else None,
        "time_stamped": manifest.time_stamped,
        "title": manifest.title,
        "source_types": list(manifest.source_types),
        "own_source_types": list(manifest.own_source_types),
        "software_agents": list(manifest.software_agents),
        "actions": list(manifest.actions),
        "soft_bindings": [{"alg": alg, "value": value} for alg, value in manifest.soft_bindings],
        "problems": [
            {"code": item.code, "explanation": item.explanation, "where": item.where} for item in manifest.problems
        ],
        "ingredients": [_describe_ingredient(item) for item in manifest.ingredients],
    }
    if manifest.author:
        details["personal"] = {"author": manifest.author}
    return details


def _describe_ingredient(ingredient: Ingredient) -> dict[str, Json]:
    return {
        "title": ingredient.title,
        "relationship": ingredient.relationship,
        "problems": [
            {"code": item.code, "explanation": item.explanation, "where": item.where} for item in ingredient.problems
        ],
        "manifest": describe(ingredient.manifest) if ingredient.manifest is not None else None,
    }


def build(*, context: Context) -> ManifestEvidence:
    """The source."""
    return ManifestEvidence(context)
