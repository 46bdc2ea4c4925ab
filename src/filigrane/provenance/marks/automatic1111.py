"""AUTOMATIC1111 and its kin (Forge, SD.Next, stable-diffusion.cpp, Civitai): the ``parameters`` text.

It stands in a PNG chunk, in the EXIF UserComment of JPEG and WebP, or hidden in the lowest bits. Pictures that were
only upscaled carry ``postprocessing`` or ``extras`` instead.
"""

from __future__ import annotations

import re

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks import _parameters
from filigrane.provenance.marks._json import MAX_TEXT_CHARS
from filigrane.provenance.metadata import Metadata

_FORGE = re.compile(r"f\d|neo|forge", re.IGNORECASE)
_POSTPROCESS = re.compile(r"Postprocess (?:upscale by|upscaler|upscale to)|GFPGAN visibility|CodeFormer visibility")


class _Automatic1111:
    tool = "AUTOMATIC1111"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        named = [entry for entry in metadata.texts if entry.keyword == "parameters"]
        for entry in (*named, *metadata.comments()):
            found = _parameters.parse(entry.text)
            tool = _tool(found.settings) if found is not None else ""
            if found is not None and tool:
                return found.mark(tool, f"{entry.where} {entry.keyword}".strip())
        return self._postprocessed(metadata)

    def _postprocessed(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in metadata.texts:
            if entry.keyword in ("postprocessing", "extras") and _POSTPROCESS.search(entry.text[:MAX_TEXT_CHARS]):
                steps = {entry.keyword: entry.text[:MAX_TEXT_CHARS]}
                where = f"{entry.where} {entry.keyword}"
                return GeneratorMark(self.tool, where, Says.EDITED, explicit=False, fields=steps)
        return None


def _tool(settings: dict[str, str]) -> str:
    """The program behind the settings; empty where its own mark speaks for it."""
    version, app = settings.get("Version", ""), settings.get("App", "")
    if version.startswith("Fooocus"):
        return ""
    if version == "stable-diffusion.cpp" or app == "SD.Next":
        return version if version == "stable-diffusion.cpp" else app
    if "Civitai resources" in settings or "Civitai metadata" in settings:
        return "Civitai"
    if version == "ComfyUI":
        return version
    return "Forge" if _FORGE.match(version) else "AUTOMATIC1111"


def build() -> _Automatic1111:
    """The mark of AUTOMATIC1111 and its kin."""
    return _Automatic1111()
