"""Laws of what may be declared, and of the form it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from filigrane.core.errors import UsageError
from filigrane.provenance.manifest import (
    Declaration,
    Disclosure,
    Edit,
    Relationship,
    SoftBinding,
    Software,
    Source,
    Use,
    definition,
)
from filigrane.provenance.source_types import SourceType

AGENT = Software("Model", "2")
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
CREATED = Declaration(AGENT, Software("Filigrane", "1"), AT, SourceType.TRAINED_ALGORITHMIC_MEDIA, title="apple.png")
PARENT = Source(b"", "png", "photo.png")
INPUT = Source(b"", "png", "style.png", Relationship.INPUT)


def assertion(declaration: Declaration, label: str) -> Any:
    made: Any = definition(declaration)
    return next((item["data"] for item in made["assertions"] if item["label"] == label), None)


def actions(declaration: Declaration) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = assertion(declaration, "c2pa.actions.v2")["actions"]
    return found


def test_a_created_picture_says_how_with_what_and_when() -> None:
    (first,) = actions(CREATED)
    assert first == {
        "action": "c2pa.created",
        "when": "2026-11-25T12:00:00Z",
        "softwareAgent": {"name": "Model", "version": "2"},
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    }


def test_every_assertion_is_our_own_and_all_actions_are_included() -> None:
    made: Any = definition(CREATED)
    assert all(item["created"] for item in made["assertions"])
    assert assertion(CREATED, "c2pa.actions.v2")["allActionsIncluded"] is True


def test_the_claimant_names_the_specification() -> None:
    assert definition(CREATED)["claim_generator_info"] == [{"name": "Filigrane", "version": "1", "specVersion": "2.4"}]


def test_an_edited_picture_is_opened_first_without_a_source_type() -> None:
    edited = replace(CREATED, sources=(PARENT,), source_type=SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA)
    opened, changed = actions(edited)
    assert opened["action"] == "c2pa.opened" and "digitalSourceType" not in opened
    assert opened["parameters"] == {"ingredientIds": ["source-0"]}
    assert changed["action"] == "c2pa.edited"
    assert changed["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")


def test_a_picture_of_unknown_origin_may_be_opened_and_marked_alone() -> None:
    marked = replace(
        CREATED,
        sources=(PARENT,),
        source_type=None,
        edit=None,
        soft_bindings=(SoftBinding("io.filigrane.spread.1", "1*0"),),
    )
    assert [action["action"] for action in actions(marked)] == ["c2pa.opened", "c2pa.watermarked.bound"]


def test_inputs_are_named_by_the_action_that_used_them() -> None:
    assert actions(replace(CREATED, sources=(INPUT,)))[0]["parameters"] == {"ingredientIds": ["source-0"]}
    both = actions(replace(CREATED, sources=(PARENT, INPUT)))
    assert [action["parameters"]["ingredientIds"] for action in both] == [["source-0"], ["source-1"]]


def test_a_watermark_stands_as_action_and_as_soft_binding() -> None:
    marked = replace(CREATED, soft_bindings=(SoftBinding("io.filigrane.spread.1", "1*0101"),))
    assert actions(marked)[-1]["action"] == "c2pa.watermarked.bound"
    assert assertion(marked, "c2pa.soft-binding") == {
        "alg": "io.filigrane.spread.1",
        "blocks": [{"scope": {}, "value": "1*0101"}],
        "pad": [0],
    }


def test_training_and_mining_are_spoken_for() -> None:
    entries = assertion(CREATED, "cawg.training-mining")["entries"]
    assert {entry["use"] for entry in entries.values()} == {"notAllowed"}
    assert len(entries) == 4
    assert assertion(replace(CREATED, mining=None), "cawg.training-mining") is None
    allowed = assertion(replace(CREATED, mining=Use.ALLOWED), "cawg.training-mining")
    assert {entry["use"] for entry in allowed["entries"].values()} == {"allowed"}


def test_the_latent_disclosure_has_its_fields() -> None:
    told = replace(CREATED, disclosure=Disclosure("Org", AGENT, AT, "id-7"))
    assert assertion(told, "io.filigrane.disclosure") == {
        "provider": "Org",
        "system": {"name": "Model", "version": "2"},
        "created": "2026-11-25T12:00:00Z",
        "id": "id-7",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CREATED, source_type=None),
        replace(CREATED, sources=(PARENT, PARENT)),
        replace(CREATED, title="x" * 301),
        replace(CREATED, title="caf\udce9"),
        replace(CREATED, agent=Software("")),
        replace(CREATED, soft_bindings=(SoftBinding("org.unheard.of", "1"),)),
        replace(CREATED, soft_bindings=(SoftBinding("com.adobe.trustmark.P Q", "1"),)),
        replace(CREATED, soft_bindings=(SoftBinding("io.filigrane.spread.1", ""),)),
    ],
)
def test_what_the_specification_does_not_know_is_refused(wrong: Declaration) -> None:
    with pytest.raises(UsageError):
        definition(wrong)


def test_every_edit_is_an_action_of_the_specification() -> None:
    assert all(edit.value.startswith("c2pa.") for edit in Edit)
