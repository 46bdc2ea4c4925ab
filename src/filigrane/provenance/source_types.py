"""Digital source types: the vocabulary in which a picture says how it came to be.

The terms are those of the IPTC NewsCodes (cv.iptc.org) and of the C2PA specification (c2pa.org). Each one either means
generative AI, possibly means it, or does not; the table below follows the C2PA conformance rubric.
"""

from __future__ import annotations

from enum import StrEnum

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
C2PA = "http://c2pa.org/digitalsourcetype/"


class Generative(StrEnum):
    """Whether a source type means that generative AI took part."""

    YES = "generative"
    POSSIBLY = "possibly"
    NO = "not"


class SourceType(StrEnum):
    """A digital source type by its bare name; `uri` is what files carry."""

    TRAINED_ALGORITHMIC_MEDIA = "trainedAlgorithmicMedia"
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA = "compositeWithTrainedAlgorithmicMedia"
    COMPOSITE_SYNTHETIC = "compositeSynthetic"
    TRAINED_ALGORITHMIC_DATA = "trainedAlgorithmicData"
    COMPOSITE = "composite"
    DIGITAL_ART = "digitalArt"
    ALGORITHMIC_MEDIA = "algorithmicMedia"
    ALGORITHMICALLY_ENHANCED = "algorithmicallyEnhanced"
    DIGITAL_CAPTURE = "digitalCapture"
    COMPUTATIONAL_CAPTURE = "computationalCapture"
    COMPOSITE_CAPTURE = "compositeCapture"
    HUMAN_EDITS = "humanEdits"
    MINOR_HUMAN_EDITS = "minorHumanEdits"
    DIGITAL_CREATION = "digitalCreation"
    DATA_DRIVEN_MEDIA = "dataDrivenMedia"
    SCREEN_CAPTURE = "screenCapture"
    VIRTUAL_RECORDING = "virtualRecording"
    NEGATIVE_FILM = "negativeFilm"
    POSITIVE_FILM = "positiveFilm"
    PRINT = "print"
    EMPTY = "empty"

    @property
    def uri(self) -> str:
        """The full URI, as it is written into XMP and manifests.

        >>> SourceType.EMPTY.uri
        'http://c2pa.org/digitalsourcetype/empty'
        """
        own = self in (SourceType.TRAINED_ALGORITHMIC_DATA, SourceType.EMPTY)
        return (C2PA if own else IPTC) + self.value

    @property
    def generative(self) -> Generative:
        """Whether this type means that generative AI took part.

        >>> SourceType.ALGORITHMIC_MEDIA.generative
        <Generative.NO: 'not'>
        """
        if self in (
            SourceType.TRAINED_ALGORITHMIC_MEDIA,
            SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
            SourceType.COMPOSITE_SYNTHETIC,
            SourceType.TRAINED_ALGORITHMIC_DATA,
        ):
            return Generative.YES
        return Generative.POSSIBLY if self in (SourceType.COMPOSITE, SourceType.DIGITAL_ART) else Generative.NO


def parse(text: str) -> SourceType | None:
    """The source type that ``text`` names (http or https URI, with or without slash, or bare name), or None.

    >>> parse("https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia/").value
    'trainedAlgorithmicMedia'
    >>> parse("digitalCapture").uri
    'http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture'
    >>> parse("http://example.org/trainedAlgorithmicMedia") is None
    True
    """
    text = text.strip().rstrip("/")
    name = text.rpartition("/")[2].casefold()
    kind = next((kind for kind in SourceType if kind.value.casefold() == name), None)
    base = text[: len(text) - len(name)].casefold().replace("https://", "http://", 1).replace("://www.", "://", 1)
    return kind if base in ("", IPTC, C2PA) else None
