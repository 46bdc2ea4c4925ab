"""What a manifest declares of generative AI, in itself and in everything that went into it."""

from __future__ import annotations

from collections.abc import Iterator

from filigrane.core.values import Ingredient, Manifest
from filigrane.provenance.source_types import Generative, parse


def declared(manifest: Manifest) -> Generative:
    """The strongest statement on generative AI in ``manifest``, whose source types are those of all it reaches."""
    kinds = {parsed.generative for uri in manifest.source_types if (parsed := parse(uri))}
    return next((kind for kind in (Generative.YES, Generative.POSSIBLY) if kind in kinds), Generative.NO)


def ingredients(manifest: Manifest) -> Iterator[Ingredient]:
    """All ingredients of ``manifest``, those of ingredients included, parents first."""
    for ingredient in manifest.ingredients:
        yield ingredient
        if ingredient.manifest is not None:
            yield from ingredients(ingredient.manifest)
