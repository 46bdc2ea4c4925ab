"""Trust: show, import and update the lists of authorities whose signatures are believed."""

from __future__ import annotations

from pathlib import Path

from filigrane.core.errors import NotFound
from filigrane.core.settings import Settings
from filigrane.provenance import trust
from filigrane.provenance.trust import MAX_LIST_BYTES, AnchorList


def list_anchors(settings: Settings) -> tuple[AnchorList, ...]:
    """The anchor lists in force, the local authority first."""
    return trust.lists(settings.home)


def import_anchors(settings: Settings, path: Path, name: str = "") -> AnchorList:
    """Validate a PEM file of authorities and keep it as a list called ``name`` (empty: as the file is called).

    Raises NotFound where the file can't be read, UsageError where it holds anything but authorities.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path} could not be read ({error.strerror}); name a PEM file of CA certificates.") from error
    return trust.add(settings.home, data, name or path.stem)


def update_anchors(settings: Settings, urls: tuple[str, ...] = ()) -> tuple[AnchorList, ...]:
    """Fetch the lists at ``urls`` (empty: those in the settings) and put each in the place of its older self.

    Raises NotFound where one can't be fetched, UsageError where it is no list of authorities; the lists in use stay.
    """
    return trust.update(settings.home, urls or settings.trust_urls)
