"""XMP packets: read as plain properties, and extended without losing what stands in them already.

Properties are matched by namespace, never by prefix; elements, attributes, ``rdf:resource`` and the arrays Seq, Bag and
Alt are all read. No DTD is accepted, and size, depth and number of properties are capped. Sources: XMP specification
part 1 (ISO 16684-1), IPTC Photo Metadata 2025.1, GB 45438-2025 (TC260).
"""

from __future__ import annotations

import re
import xml.dom.minidom as dom
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from xml.parsers.expat import ExpatError

from defusedxml import minidom
from defusedxml.common import DefusedXmlException

from filigrane.core.errors import UnreadableInput

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
META = "adobe:ns:meta/"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
DC = "http://purl.org/dc/elements/1.1/"
XMP = "http://ns.adobe.com/xap/1.0/"
XMP_RIGHTS = "http://ns.adobe.com/xap/1.0/rights/"
XMP_MM = "http://ns.adobe.com/xap/1.0/mm/"
PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
EXIF = "http://ns.adobe.com/exif/1.0/"
EXIF_EX = "http://cipa.jp/exif/1.0/"
AUX = "http://ns.adobe.com/exif/1.0/aux/"
TIFF = "http://ns.adobe.com/tiff/1.0/"
CAMERA_RAW = "http://ns.adobe.com/camera-raw-settings/1.0/"
PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
DCTERMS = "http://purl.org/dc/terms/"
_XML = "http://www.w3.org/XML/1998/namespace"
_XMLNS = "http://www.w3.org/2000/xmlns/"

PREFIXES: dict[str, str] = {
    RDF: "rdf",
    META: "x",
    IPTC_EXT: "Iptc4xmpExt",
    IPTC_CORE: "Iptc4xmpCore",
    TC260: "TC260",
    DC: "dc",
    XMP: "xmp",
    XMP_RIGHTS: "xmpRights",
    XMP_MM: "xmpMM",
    PHOTOSHOP: "photoshop",
    EXIF: "exif",
    EXIF_EX: "exifEX",
    AUX: "aux",
    TIFF: "tiff",
    CAMERA_RAW: "crs",
    PLUS: "plus",
    DCTERMS: "dcterms",
}
"""The usual prefix of each namespace, for writing and for showing."""

AI_SYSTEM_USED = "AISystemUsed"
AI_SYSTEM_VERSION_USED = "AISystemVersionUsed"
AI_PROMPT_INFORMATION = "AIPromptInformation"
AI_PROMPT_WRITER_NAME = "AIPromptWriterName"
DIGITAL_SOURCE_TYPE = "DigitalSourceType"

MAX_PACKET_BYTES = 4 * 2**20
"""Longest packet that is parsed."""
MAX_DEPTH = 64
"""Deepest nesting of elements that is parsed."""
MAX_TAGS = 20_000
"""Most tags, and most attributes, in one packet that is parsed."""
MAX_PROPERTIES = 5000
"""Most properties read from one packet."""

# The form that the schema of each property prescribes; all others are simple values.
_ARRAYS = {
    (DC, "creator"): "Seq",
    (DC, "subject"): "Bag",
    (DC, "title"): "Alt",
    (DC, "description"): "Alt",
    (DC, "rights"): "Alt",
}
_EMPTY = f'<x:xmpmeta xmlns:x="{META}"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>'
_ROOT = re.compile(r"<(?:[\w.-]+:)?(xmpmeta|xapmeta|RDF)(?=[\s>/])")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_SPACE_REFERENCE = re.compile("&#(x0*[9aAdD]|0*(?:9|10|13));")
_STAND_IN = 0xFDD0
_HIDDEN = re.compile("[\ufdd9\ufdda\ufddd]")


@dataclass(frozen=True, slots=True)
class Property:
    """One value of a property; ``within`` names the top-level property of a nested one, and is empty otherwise."""

    namespace: str
    name: str
    value: str
    within: str = ""

    @property
    def label(self) -> str:
        """The name with its usual prefix.

        >>> Property(DC, "creator", "Ada").label
        'dc:creator'
        """
        prefix = PREFIXES.get(self.namespace)
        return f"{prefix}:{self.name}" if prefix else self.name


def parse(packet: bytes) -> tuple[Property, ...]:
    """The properties of a packet in document order, an array as one property per item.

    Raises UnreadableInput for a packet that is no XML, has a DTD, or is over the limits.

    >>> packet = with_properties(None, [Property(DC, "creator", "Ada")])
    >>> [(found.label, found.value) for found in parse(packet)]
    [('dc:creator', 'Ada')]
    """
    return tuple(islice(_properties(_document(_text(packet))), MAX_PROPERTIES))


def values(properties: Iterable[Property], namespace: str, name: str) -> tuple[str, ...]:
    """The values of one property at the top level of a packet."""
    return tuple(
        item.value for item in properties if item.namespace == namespace and item.name == name and not item.within
    )


def with_properties(packet: bytes | None, properties: Iterable[Property]) -> bytes:
    """A packet with ``properties`` set and everything else of ``packet`` preserved; UTF-8, without padding.

    Properties given several times become the items of an array where the schema has one (dc:creator, dc:subject, …);
    of other properties the last value counts. Raises UnreadableInput where ``packet`` cannot be parsed: pass None to
    start anew.
    """
    text = _text(packet) if packet is not None else _EMPTY
    document = _document(_SPACE_REFERENCE.sub(_hide, text))
    graph = _graph(document)
    merged: dict[tuple[str, str], list[str]] = {}
    for item in properties:
        merged.setdefault((item.namespace, item.name), []).append(item.value)
    descriptions = [child for child in _elements(graph) if _is_rdf(child, "Description")]
    if not descriptions:
        descriptions = [graph.appendChild(_rdf(document, graph, "Description"))]
        descriptions[0].setAttributeNS(RDF, f"{graph.prefix}:about" if graph.prefix else "about", "")
    for (namespace, name), texts in merged.items():
        for description in descriptions:
            _remove(description, namespace, name)
        descriptions[0].appendChild(_property_element(document, descriptions[0], key=(namespace, name), texts=texts))
    assert document.documentElement is not None
    body = _HIDDEN.sub(_show, document.documentElement.toxml())
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{body}\n<?xpacket end="w"?>'.encode()


def _hide(reference: re.Match[str]) -> str:
    """Written-out tabs and line ends would be lost between parsing and writing; a noncharacter stands in for them."""
    digits = reference[1]
    return chr(_STAND_IN + (int(digits[1:], 16) if digits[0] in "xX" else int(digits)))


def _show(hidden: re.Match[str]) -> str:
    return f"&#{ord(hidden[0]) - _STAND_IN};"


def _text(packet: bytes) -> str:
    """The XML between the packet wrappers, decoded, without what XML cannot hold."""
    if len(packet) > MAX_PACKET_BYTES:
        raise UnreadableInput(f"An XMP packet of {len(packet)} bytes is over the limit of {MAX_PACKET_BYTES} bytes.")
    encoding = "utf-8"
    if packet[:2] in (b"\xfe\xff", b"\xff\xfe"):
        encoding = "utf-16"
    elif packet[:2] in (b"<\0", b"\0<"):
        encoding = "utf-16-le" if packet[:1] == b"<" else "utf-16-be"
    text = _ILLEGAL.sub("", packet.decode(encoding, "replace"))
    root = _ROOT.search(text)
    end = text.rfind(f"{root[1]}>") if root else -1
    if root is None or end < root.start():
        raise UnreadableInput("An XMP packet with an x:xmpmeta or rdf:RDF element is needed; this one has none.")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UnreadableInput("An XMP packet must not have a document type; this one was not read.")
    text = text[root.start() : end + len(root[1]) + 1]
    if text.count("<") > MAX_TAGS or text.count("=") > MAX_TAGS:
        raise UnreadableInput(f"An XMP packet may have {MAX_TAGS} tags and attributes; this one has more.")
    return text


def _document(text: str) -> dom.Document:
    """The XML document, parsed without DTD and entities, its depth checked."""
    try:
        document: dom.Document = minidom.parseString(text, forbid_dtd=True)
    except (ExpatError, DefusedXmlException, ValueError) as error:
        raise UnreadableInput(f"An XMP packet is no well-formed XML ({error}).") from error
    level: list[dom.Element] = list(_elements(document))
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in _elements(element)]
        if not level:
            return document
    raise UnreadableInput(f"An XMP packet is nested deeper than {MAX_DEPTH} levels.")


def _elements(node: dom.Node) -> Iterator[dom.Element]:
    return (child for child in node.childNodes if isinstance(child, dom.Element))


def _is_rdf(element: dom.Element, name: str) -> bool:
    return element.namespaceURI == RDF and element.localName == name


def _graph(document: dom.Document) -> dom.Element:
    """The ``rdf:RDF`` element: the root, or right below it."""
    for root in _elements(document):
        for element in (root, *_elements(root)):
            if _is_rdf(element, "RDF"):
                return element
    raise UnreadableInput("An XMP packet has no rdf:RDF element.")


def _properties(document: dom.Document) -> Iterator[Property]:
    for node in _elements(_graph(document)):
        if not _is_rdf(node, "Description"):
            yield from _values(node)
            continue
        yield from _attributes(node, "")
        for element in _elements(node):
            yield from _values(element)


def _attributes(element: dom.Element, within: str) -> Iterator[Property]:
    """Simple properties in attribute form."""
    for attribute in element.attributes.values():
        if attribute.namespaceURI not in (None, RDF, _XML, _XMLNS):
            yield Property(attribute.namespaceURI or "", attribute.localName, attribute.value, within)


def _values(top: dom.Element) -> Iterator[Property]:
    """All values below one property element, in document order."""
    stack = [(top, Property(top.namespaceURI or "", top.localName, ""))]
    while stack:
        element, owner = stack.pop()
        yield from _attributes(element, owner.within or owner.name)
        children = list(_elements(element))
        text = element.getAttributeNS(RDF, "resource")
        if not children and not text:
            text = "".join(node.data for node in element.childNodes if isinstance(node, dom.Text)).strip()
        if text:
            yield Property(owner.namespace, owner.name, text, owner.within)
        for child in reversed(children):
            inner = Property(child.namespaceURI or "", child.localName, "", owner.within or owner.name)
            # Arrays and their items speak for the property that holds them.
            stack.append((child, owner if child.namespaceURI == RDF else inner))


def _remove(description: dom.Element, namespace: str, name: str) -> None:
    if description.hasAttributeNS(namespace, name):
        description.removeAttributeNS(namespace, name)
    for element in list(_elements(description)):
        if element.namespaceURI == namespace and element.localName == name:
            description.removeChild(element)


def _property_element(
    document: dom.Document, description: dom.Element, *, key: tuple[str, str], texts: list[str]
) -> dom.Element:
    """A property as an element, in the form its schema prescribes."""
    namespace, name = key
    prefix = PREFIXES.get(namespace, "ns")
    element = document.createElementNS(namespace, f"{prefix}:{name}")
    if not _bound(description, prefix, namespace):
        element.setAttributeNS(_XMLNS, f"xmlns:{prefix}", namespace)
    form = _ARRAYS.get(key)
    if form is None:
        element.appendChild(document.createTextNode(_writable(texts[-1])))
        return element
    array = element.appendChild(_rdf(document, description, form))
    for text in texts:
        item = array.appendChild(_rdf(document, description, "li"))
        if form == "Alt":
            item.setAttributeNS(_XML, "xml:lang", "x-default")
        item.appendChild(document.createTextNode(_writable(text)))
    return element


def _rdf(document: dom.Document, near: dom.Element, name: str) -> dom.Element:
    """A new element of the RDF namespace, with the prefix that ``near``, itself of RDF, uses."""
    return document.createElementNS(RDF, f"{near.prefix}:{name}" if near.prefix else name)


def _bound(element: dom.Element, prefix: str, namespace: str) -> bool:
    """Whether ``prefix`` stands for ``namespace`` inside ``element``."""
    node: dom.Node | None = element
    while isinstance(node, dom.Element):
        if node.hasAttribute(f"xmlns:{prefix}"):
            return node.getAttribute(f"xmlns:{prefix}") == namespace
        node = node.parentNode
    return False


def _writable(text: str) -> str:
    """The text without what XML cannot hold, carriage returns protected."""
    return _ILLEGAL.sub("", text).replace("\r", chr(_STAND_IN + 13))
