"""What a generator mark is, and how all of them are looked for; each generator has one file in ``marks/``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from filigrane.core import plugins
from filigrane.provenance.metadata import Metadata

FOLDER = "filigrane.provenance.marks"


class Says(StrEnum):
    """What a mark says of the part that AI had in the picture."""

    GENERATED = "generated"
    EDITED = "edited"
    POSSIBLY = "possibly"


@dataclass(frozen=True, slots=True)
class GeneratorMark:
    """A sign that a generator left in the metadata.

    ``explicit`` where the file says in so many words that AI made or changed it; otherwise the mark is a trace, such as
    the parameters of a generation. ``where`` says in words where it stood; ``fields`` holds further parameters.
    """

    tool: str
    where: str
    says: Says
    explicit: bool
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    model: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


class Mark(Protocol):
    """One kind of mark: ``tool`` names the generator in general, a found mark may name it more exactly."""

    tool: str

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        """The mark in ``metadata``, or None; never raises, whatever the metadata hold."""
        ...


def load_marks() -> tuple[Mark, ...]:
    """Every kind of mark there is, in the order of their file names."""
    return tuple(plugins.load(FOLDER, name) for name in plugins.names(FOLDER))


def find_marks(metadata: Metadata, marks: Iterable[Mark]) -> tuple[GeneratorMark, ...]:
    """What ``marks`` find in ``metadata``, explicit ones first."""
    found = [mark for kind in marks if (mark := kind.find(metadata)) is not None]
    return tuple(sorted(found, key=lambda mark: not mark.explicit))
