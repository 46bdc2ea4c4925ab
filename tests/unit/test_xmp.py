"""XMP: read by namespace in every form, merged without loss, and closed to hostile XML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filigrane.core.errors import UnreadableInput
from filigrane.provenance import xmp
from filigrane.provenance.xmp import Property, parse, values, with_properties

TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def packet(body: str, declarations: str = "") -> bytes:
    return (
        f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><m:xmpmeta xmlns:m="{xmp.META}">'
        f'<r:RDF xmlns:r="{xmp.RDF}">{body}</r:RDF></m:xmpmeta>{" " * 100}<?xpacket end="w"?>'
    ).encode()


@pytest.mark.parametrize(
    "body",
    [
        f'<r:Description xmlns:q="{xmp.IPTC_EXT}" q:DigitalSourceType="{TYPE}"/>',
        f'<r:Description xmlns:q="{xmp.IPTC_EXT}"><q:DigitalSourceType> {TYPE}\n</q:DigitalSourceType></r:Description>',
        f'<r:Description xmlns:q="{xmp.IPTC_EXT}"><q:DigitalSourceType r:resource="{TYPE}"/></r:Description>',
        f'<r:Description xmlns:q="{xmp.IPTC_EXT}"><q:DigitalSourceType><r:Bag><r:li>{TYPE}</r:li></r:Bag>'
        "</q:DigitalSourceType></r:Description>",
        f'<DigitalSourceType xmlns="{xmp.IPTC_EXT}">{TYPE}</DigitalSourceType>',
    ],
)
def test_every_form_of_a_property_is_read_whatever_the_prefix(body: str) -> None:
    assert values(parse(packet(body)), xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE) == (TYPE,)


def test_the_usual_prefix_of_another_namespace_is_not_believed() -> None:
    body = f'<r:Description xmlns:Iptc4xmpExt="urn:other" Iptc4xmpExt:DigitalSourceType="{TYPE}"/>'
    assert values(parse(packet(body)), xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE) == ()


def test_nested_values_are_told_from_those_at_the_top() -> None:
    body = (
        f'<r:Description xmlns:mm="{xmp.XMP_MM}" xmlns:q="{xmp.IPTC_EXT}"><mm:Ingredients><r:Bag>'
        f'<r:li r:parseType="Resource" q:DigitalSourceType="{TYPE}"><mm:documentID>d</mm:documentID></r:li>'
        "</r:Bag></mm:Ingredients></r:Description>"
    )
    found = parse(packet(body))
    assert values(found, xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE) == ()
    assert [(item.label, item.within) for item in found] == [
        ("Iptc4xmpExt:DigitalSourceType", "Ingredients"),
        ("xmpMM:documentID", "Ingredients"),
    ]


def test_merging_sets_properties_and_keeps_the_rest() -> None:
    old = packet(
        f'<r:Description xmlns:dc="{xmp.DC}" xmlns:p="urn:own" p:note="a&#xA;b" dc:format="image/png">'
        "<!-- kept --><dc:creator><r:Seq><r:li>Old</r:li></r:Seq></dc:creator></r:Description>"
        f'<r:Description xmlns:ps="{xmp.PHOTOSHOP}" ps:Credit="Old"/>'
    )
    new = [
        Property(xmp.DC, "creator", "Ada"),
        Property(xmp.DC, "creator", "Bob & Co <x>"),
        Property(xmp.PHOTOSHOP, "Credit", "New"),
        Property(xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE, TYPE),
    ]
    merged = with_properties(old, new)
    found = parse(merged)
    assert values(found, xmp.DC, "creator") == ("Ada", "Bob & Co <x>")
    assert values(found, xmp.PHOTOSHOP, "Credit") == ("New",)
    assert values(found, xmp.IPTC_EXT, xmp.DIGITAL_SOURCE_TYPE) == (TYPE,)
    assert values(found, "urn:own", "note") == ("a\nb",)
    assert values(found, xmp.DC, "format") == ("image/png",)
    assert b"<!-- kept -->" in merged


def test_merging_twice_is_merging_once() -> None:
    new = [Property(xmp.DC, "title", "T"), Property(xmp.TC260, "AIGC", '{"Label":"1"}')]
    once = with_properties(packet("<r:Description/>"), new)
    assert with_properties(once, new) == once
    assert with_properties(with_properties(None, new), new) == with_properties(None, new)


def test_a_packet_without_description_gets_one() -> None:
    merged = with_properties(packet(""), [Property(xmp.XMP, "CreatorTool", "x")])
    assert values(parse(merged), xmp.XMP, "CreatorTool") == ("x",)


@given(st.text())
def test_any_text_survives_but_for_what_xml_cannot_hold(text: str) -> None:
    found = values(parse(with_properties(None, [Property(xmp.XMP, "CreatorTool", text)])), xmp.XMP, "CreatorTool")
    kept = xmp._ILLEGAL.sub("", text).strip()
    assert "".join(found) == kept


@given(st.binary(max_size=400))
def test_bytes_that_are_no_packet_give_one_sentence(data: bytes) -> None:
    for hostile in (data, b"<x:xmpmeta>" + data + b"</x:xmpmeta>"):
        try:
            parse(hostile)
        except UnreadableInput as error:
            assert str(error).endswith((".", ")"))


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + packet("<r:Description/>"),
        packet('<!DOCTYPE x SYSTEM "file:///etc/passwd">'),
        packet("<r:Description>&undefined;</r:Description>"),
        packet("<a>" * 200 + "</a>" * 200),
        packet("<a/>" * 30_000),
        packet("<a " + " ".join(f'b{n}=""' for n in range(30_000)) + "/>"),
        packet("x" * (5 * 2**20)),
        packet("<r:Description>"),
    ],
    ids=["dtd", "inner dtd", "entity", "deep", "wide", "attributes", "long", "open"],
)
def test_hostile_packets_are_refused(hostile: bytes) -> None:
    with pytest.raises(UnreadableInput):
        parse(hostile)


def test_a_utf_16_packet_and_a_stray_declaration_are_read() -> None:
    text = f'<r:RDF xmlns:r="{xmp.RDF}"><r:Description xmlns:d="{xmp.DC}" d:format="é"/></r:RDF>'
    assert values(parse(text.encode("utf-16")), xmp.DC, "format") == ("é",)
    late = b'<?xpacket begin=""?><?xml version="1.0"?>' + text.encode() + bytes(20)
    assert values(parse(late), xmp.DC, "format") == ("é",)
