"""What a source of evidence is, and what all of them share while one picture is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from filigrane.core import plugins
from filigrane.core.values import Evidence, Manifest, Picture
from filigrane.detector.policy import Policy
from filigrane.provenance.metadata import Metadata, read_metadata
from filigrane.provenance.read import read_manifest
from filigrane.provenance.trust import TrustStore

if TYPE_CHECKING:
    from filigrane.provenance.registry import IssuedMark

FOLDER = "filigrane.detector.evidence"
T = TypeVar("T")


class EvidenceSource(Protocol):
    """One way of looking at a picture.

    ``guarded`` says whether it runs inside the memory-limited worker that decodes the picture
    (parsers of hostile bytes) or in the host process (models that hold a device).
    """

    name: str
    guarded: bool

    def examine(self, picture: Picture) -> Evidence:
        """What this source says of ``picture``."""
        ...


@dataclass(slots=True)
class Context:
    """What the sources share: policy, trust anchors, keys, registry, latent model, and the picture's parsed forms.

    Manifest and metadata are parsed once for the picture in hand, whichever source asks first.
    """

    policy: Policy
    trust: TrustStore
    home: Path
    registry_url: str = ""
    latent_model: str = ""
    _parsed: dict[str, object] = field(default_factory=dict, repr=False)
    _sha256: str = field(default="", repr=False)

    def manifest(self, picture: Picture) -> Manifest | None:
        """The active C2PA manifest of ``picture``, validated; None where it has none."""
        return self._once("manifest", picture, lambda: read_manifest(picture.data, picture.format, self.trust))

    def metadata(self, picture: Picture) -> Metadata:
        """The parsed metadata of ``picture``."""
        return self._once("metadata", picture, lambda: read_metadata(picture))

    def issued_mark(self, number: int) -> IssuedMark | None:
        """What the registry at hand knows of the mark ``number``; None where there is no registry or no such mark."""
        # The database library takes longer to import than a picture to scan, and few pictures carry a mark.
        from filigrane.provenance.database import FILE_NAME
        from filigrane.provenance.registry import Registry

        if not self.registry_url and not (self.home / FILE_NAME).is_file():
            return None
        with Registry.open(self.home, self.registry_url) as registry:
            return registry.find(number)

    def _once(self, name: str, picture: Picture, parse: Callable[[], T]) -> T:
        if picture.sha256 != self._sha256:
            self._parsed, self._sha256 = {}, picture.sha256
        if name not in self._parsed:
            self._parsed[name] = parse()
        return self._parsed[name]  # type: ignore[return-value]


def source_names() -> tuple[str, ...]:
    """Names of all sources of evidence, sorted."""
    return plugins.names(FOLDER)


def build_sources(names: tuple[str, ...], context: Context) -> tuple[EvidenceSource, ...]:
    """The sources called ``names``, sharing ``context``; NotFound for an unknown name."""
    return tuple(plugins.load(FOLDER, name, context=context) for name in names)
