"""All metadata of a picture in one value: texts, EXIF, XMP, IPTC, text hidden in the pixels, and facts of the camera.

Generator marks read the full fields; names, places, serial numbers and contacts stand in `Metadata.personal`, apart
from `Metadata.shown`, so that they can be kept back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Picture
from filigrane.provenance import containers, exif, iptc, xmp
from filigrane.provenance.containers.base import TextEntry, Trailing
from filigrane.provenance.exif import Camera, Exif
from filigrane.provenance.stealth import StealthText, read_stealth
from filigrane.provenance.xmp import Property

_PERSONAL = re.compile(
    r"gps|artist|author|creator(?!tool)|owner|by-?line|serial|contact|copyright|rights|credit|photographer"
    r"|image ?editor|person|writer|location|licensor|e-?mail|phone|address|regions"
    r"|(?:^|:)(?:city|state|country|province-state|hostcomputer|imageuniqueid)$",
    re.IGNORECASE,
)
_MAX_HIDDEN_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says in metadata.

    ``texts`` are chunks, comments and hidden text; ``exif`` and ``iptc`` hold one entry per tag; ``camera`` is None
    where nothing speaks of one; ``problems`` say in words what is damaged or over a limit.
    """

    format: str
    texts: tuple[TextEntry, ...] = ()
    exif: tuple[TextEntry, ...] = ()
    xmp: tuple[Property, ...] = ()
    iptc: tuple[TextEntry, ...] = ()
    stealth: StealthText | None = None
    camera: Camera | None = None
    has_c2pa: bool = False
    trailing: Trailing | None = None
    problems: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[TextEntry, ...]:
        """Every entry that is not personal, XMP properties by their usual prefix."""
        return tuple(entry for entry in self._all() if not _PERSONAL.search(entry.keyword))

    @property
    def personal(self) -> tuple[TextEntry, ...]:
        """Names, places, serial numbers and contacts, to be shown only when asked for."""
        return tuple(entry for entry in self._all() if _PERSONAL.search(entry.keyword))

    def _all(self) -> Iterator[TextEntry]:
        yield from self.texts
        yield from self.exif
        for item in self.xmp:
            yield TextEntry(f"{item.within}/{item.label}" if item.within else item.label, item.value, "XMP")
        yield from self.iptc

    def text(self, keyword: str) -> TextEntry | None:
        """The first chunk, comment or hidden text of a keyword (case counts), or None."""
        return next((entry for entry in self.texts if entry.keyword == keyword), None)

    def exif_text(self, name: str) -> str:
        """The text of an EXIF tag, empty where it is not there."""
        return next((entry.text for entry in self.exif if entry.keyword == name), "")

    def xmp_values(self, namespace: str, name: str) -> tuple[str, ...]:
        """The values of a top-level XMP property."""
        return xmp.values(self.xmp, namespace, name)

    def comments(self) -> tuple[TextEntry, ...]:
        """Free text without a keyword of its own: EXIF and XMP comments and descriptions, JPEG and GIF comments."""
        found = [entry for entry in self.exif if entry.keyword in ("UserComment", "ImageDescription", "XPComment")]
        found += [TextEntry("UserComment", value, "XMP") for value in self.xmp_values(xmp.EXIF, "UserComment")]
        return (*found, *(entry for entry in self.texts if entry.keyword == "comment"))

    def software(self) -> tuple[TextEntry, ...]:
        """The programs that name themselves: PNG Software, EXIF Software, XMP CreatorTool."""
        found = [entry for entry in (*self.texts, *self.exif) if entry.keyword == "Software"]
        return (*found, *(TextEntry("CreatorTool", value, "XMP") for value in self.xmp_values(xmp.XMP, "CreatorTool")))

    def credits(self) -> tuple[TextEntry, ...]:
        """The credit lines of XMP and IPTC."""
        found = [TextEntry("Credit", value, "XMP") for value in self.xmp_values(xmp.PHOTOSHOP, "Credit")]
        return (*found, *(entry for entry in self.iptc if entry.keyword == "Credit"))


def read_metadata(picture: Picture) -> Metadata:
    """All metadata of ``picture``; bad bytes give problems, never an exception."""
    container = containers.read(picture.data, picture.format)
    hidden = read_stealth(picture)
    block = exif.parse(container.exif) if container.exif is not None else Exif()
    properties: list[Property] = []
    problems = [*container.problems, *block.problems]
    for packet in container.xmp_packets:
        try:
            properties += xmp.parse(packet)
        except UnreadableInput as error:
            problems.append(str(error))
    return Metadata(
        format=picture.format,
        texts=(*container.texts, *_hidden_texts(hidden)),
        exif=block.entries,
        xmp=tuple(properties),
        iptc=iptc.parse(container.iptc) if container.iptc is not None else (),
        stealth=hidden,
        camera=block.camera,
        has_c2pa=container.has_c2pa,
        trailing=container.trailing,
        problems=tuple(problems),
    )


def _hidden_texts(hidden: StealthText | None) -> tuple[TextEntry, ...]:
    """Hidden text as if it stood in chunks: NovelAI hides all of them as JSON, others the ``parameters`` alone."""
    if hidden is None:
        return ()
    where = f"hidden in the {hidden.channel} bits"
    try:
        fields = json.loads(hidden.text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return (TextEntry("parameters", hidden.text, where),)
    named = list(fields.items())[:_MAX_HIDDEN_FIELDS]
    return tuple(TextEntry(key, content, where) for key, content in named if isinstance(content, str))
