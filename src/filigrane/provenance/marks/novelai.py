"""NovelAI: ``Software`` NovelAI, ``Title`` AI generated image, ``Source`` the model, ``Comment`` the settings as JSON.

The same texts are also hidden in the lowest bits of alpha.
"""

from __future__ import annotations

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import MAX_TEXT_CHARS, as_integer, as_text, load_object, simple_fields
from filigrane.provenance.metadata import Metadata

_MAIN = frozenset({"prompt", "uc", "seed", "signed_hash"})


class _NovelAI:
    tool = "NovelAI"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        software = next((entry for entry in metadata.software() if entry.text.strip() == "NovelAI"), None)
        title, source = metadata.text("Title"), metadata.text("Source")
        titled = title is not None and title.text.strip() == "AI generated image"
        entry = software if software is not None else title
        if entry is None or not (software is not None or (titled and source is not None)):
            return None
        comment, description = metadata.text("Comment"), metadata.text("Description")
        settings = load_object(comment.text) if comment is not None else None
        settings = settings if settings is not None else {}
        return GeneratorMark(
            self.tool,
            f"{entry.where} {entry.keyword}",
            Says.GENERATED,
            explicit=titled,
            prompt=as_text(settings.get("prompt")) or (description.text[:MAX_TEXT_CHARS] if description else ""),
            negative_prompt=as_text(settings.get("uc")),
            seed=as_integer(settings.get("seed")),
            model=source.text[:MAX_TEXT_CHARS] if source is not None else "",
            fields=simple_fields(settings, _MAIN),
        )


def build() -> _NovelAI:
    """The mark of NovelAI."""
    return _NovelAI()
