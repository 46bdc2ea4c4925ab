"""Evidence that a camera took the picture: a signed capture, or coherent maker data. Weak where anyone can write it."""

from __future__ import annotations

from filigrane.core.values import Evidence, Finding, Integrity, Json, Manifest, Picture, Trust
from filigrane.detector.base import Context
from filigrane.provenance.exif import Camera
from filigrane.provenance.source_types import SourceType, parse

CAPTURES = frozenset({SourceType.DIGITAL_CAPTURE, SourceType.COMPUTATIONAL_CAPTURE, SourceType.COMPOSITE_CAPTURE})


class CameraEvidence:
    """Reads the manifest's own source type, and the maker data in EXIF."""

    name = "camera"
    guarded = True

    def __init__(self, context: Context) -> None:
        self._context = context

    def examine(self, picture: Picture) -> Evidence:
        """Present with a negative llr where a camera is claimed; how far depends on who vouches for it."""
        manifest = self._context.manifest(picture)
        camera = self._context.metadata(picture).camera
        details = _details(camera)
        weight = self._context.policy.weight
        if manifest is not None and _is_capture(manifest):
            llr = weight(f"camera.signed.{'trusted' if manifest.trust is Trust.TRUSTED else 'unknown'}")
            details["signer"] = manifest.signer
            summary = f"A signed manifest by {manifest.generator or manifest.signer} says that a camera took it."
            return Evidence(self.name, Finding.PRESENT, llr, summary, details)
        if camera is None:
            return Evidence(self.name, Finding.ABSENT, 0.0, "The file says nothing of a camera.")
        name = " ".join(part for part in (camera.make, camera.model) if part) or "an unnamed camera"
        if not _is_coherent(camera):
            summary = f"The file names {name}, but without the maker data and settings that a camera writes."
            return Evidence(self.name, Finding.ABSENT, 0.0, summary, details)
        summary = f"The file carries coherent maker data of {name}; such data can be copied."
        return Evidence(self.name, Finding.PRESENT, weight("camera.maker_data"), summary, details)


def _is_capture(manifest: Manifest) -> bool:
    """Whether an intact manifest says of this very picture, not of an ingredient, that a camera took it."""
    own = {parse(uri) for uri in manifest.own_source_types}
    sound = manifest.integrity is Integrity.INTACT and manifest.trust not in (Trust.REVOKED, Trust.INVALID)
    return sound and bool(own) and own <= CAPTURES


def _is_coherent(camera: Camera) -> bool:
    """Whether make, model, the time of capture, exposure settings and a maker's own block are there and agree."""
    settings = (camera.exposure_s, camera.f_number, camera.iso, camera.focal_length_mm)
    return (
        bool(camera.make and camera.model and camera.taken_at)
        and sum(value is not None and value > 0 for value in settings) >= 3
        and camera.has_maker_note
        and camera.coherent is not False
    )


def _details(camera: Camera | None) -> dict[str, Json]:
    if camera is None:
        return {}
    told: dict[str, Json] = {
        "make": camera.make,
        "model": camera.model,
        "lens": camera.lens,
        "software": camera.software,
        "taken_at": camera.taken_at,
        "exposure_s": camera.exposure_s,
        "f_number": camera.f_number,
        "iso": camera.iso,
        "focal_length_mm": camera.focal_length_mm,
        "maker_note": camera.maker_note,
        "maker_note_agrees": camera.coherent,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def build(*, context: Context) -> CameraEvidence:
    """The source."""
    return CameraEvidence(context)
