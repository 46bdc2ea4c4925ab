"""Evidence from the pixels: our own keyed mark, and the mark that Stable Diffusion's own tools leave.

Our mark says which manifest belongs to the picture, not how it was made; what the manifest says of AI counts where the
registry at hand knows the mark, did not revoke it, and knows a picture that looks like this one: a mark can be copied.
The constant of Stable Diffusion's tools says which tool was used.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from filigrane.core.values import Evidence, Finding, Json, Manifest, Picture, Pixels, Reading
from filigrane.detector.base import Context
from filigrane.detector.declared import declared
from filigrane.provenance.fingerprint import Look, compare, fingerprint
from filigrane.provenance.read import read_store
from filigrane.provenance.source_types import Generative
from filigrane.watermark import base
from filigrane.watermark.base import Watermarker
from filigrane.watermark.keys import key_folder, load_ring

if TYPE_CHECKING:
    from filigrane.provenance.registry import IssuedMark


class WatermarkEvidence:
    """Reads both marks and looks ours up in the registry, where there is one."""

    name = "watermark"
    guarded = True

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def _own(self) -> Watermarker:
        return base.load("spread", keys=load_ring(key_folder(self._context.home)))

    @cached_property
    def _foreign(self) -> Watermarker:
        return base.load("sd_dwtdct")

    def examine(self, picture: Picture) -> Evidence:
        """Present where a mark is read; its p-value bounds how often that happens on a picture without one."""
        own = self._own.read(picture.pixels)
        if own.payload is not None:
            return self._of_ours(own, own.payload, picture.pixels)
        foreign = self._foreign.read(picture.pixels)
        if foreign.payload is not None:
            return Evidence(
                source=self.name,
                finding=Finding.PRESENT,
                llr=self._context.policy.weight("watermark.stable_diffusion"),
                summary="The pixels carry the mark that Stable Diffusion's own tools leave.",
                details=_details(foreign),
                false_positive_rate=foreign.p_value,
            )
        return Evidence(self.name, Finding.ABSENT, 0.0, "No watermark that can be read here is in the pixels.")

    def _of_ours(self, reading: Reading, number: int, pixels: Pixels) -> Evidence:
        details: dict[str, Json] = {**_details(reading), "id": f"{number:015x}"}
        issued = self._context.issued_mark(number)
        manifest = read_store(issued.manifest, self._context.trust) if issued is not None else None
        generative = declared(manifest) if manifest is not None else Generative.NO
        look = compare(fingerprint(pixels), issued.look).look if issued is not None else Look.UNSURE
        if issued is not None:
            details["registry"] = {**_issued(issued, manifest), "look": look.value}
        stands = issued is not None and issued.revoked is None and look is not Look.DIFFERENT
        counts = stands and generative is Generative.YES
        return Evidence(
            source=self.name,
            finding=Finding.PRESENT,
            llr=self._context.policy.weight("watermark.registered.generative") if counts else 0.0,
            summary=_summary(number, issued, generative, look),
            details=details,
            false_positive_rate=reading.p_value,
        )


def _summary(number: int, issued: IssuedMark | None, generative: Generative, look: Look) -> str:
    opening = f"The pixels carry the Filigrane watermark {number:015x}"
    if issued is None:
        return f"{opening}; the registry here does not know it, so what it stands for is not known."
    if issued.revoked is not None:
        return f"{opening}, which was revoked: {issued.revoked.reason}."
    if look is Look.DIFFERENT:
        return f"{opening}, which was copied from another picture, so it says nothing of this one."
    says = "declares generative AI" if generative is Generative.YES else "declares no generative AI"
    alike = "looks like this one" if look is Look.SAME else "may be this one or another: compare the two"
    return f"{opening}; the manifest registered for it {says}, and the picture registered with it {alike}."


def _details(reading: Reading) -> dict[str, Json]:
    told: dict[str, Json] = {
        "method": reading.method,
        "p_value": reading.p_value,
        "key_id": reading.key_id,
        "bit_accuracy": reading.bit_accuracy,
    }
    return {name: value for name, value in told.items() if value is not None}


def _issued(issued: IssuedMark, manifest: Manifest | None) -> dict[str, Json]:
    return {
        "issued_at": issued.created_at.isoformat(),
        "title": issued.title,
        "provider": issued.provider,
        "system": f"{issued.system} {issued.system_version}".strip(),
        "manifest_id": issued.manifest_id,
        "signer": manifest.signer if manifest is not None else None,
        "revoked": issued.revoked is not None,
    }


def build(*, context: Context) -> WatermarkEvidence:
    """The source."""
    return WatermarkEvidence(context)
