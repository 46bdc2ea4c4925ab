"""Laws of the walk over a validator's report, with reports made by hand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from filigrane.core.values import Integrity, Manifest, Trust
from filigrane.provenance import codes
from filigrane.provenance.walk import MAX_DEPTH, MAX_MANIFESTS, to_manifest

GOOD = ("claimSignature.validated", "assertion.dataHash.match", "signingCredential.trusted")
AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def results(*failures: str, success: tuple[str, ...] = GOOD, remarks: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "success": [{"code": code} for code in success],
        "failure": [{"code": code, "url": "self#jumbf=/c2pa/a/c2pa.assertions/x"} for code in failures],
        "informational": [{"code": code} for code in remarks],
    }


def report(manifests: dict[str, Any], active: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    checked = {"activeManifest": active if active is not None else results(), **more}
    return {"active_manifest": "a", "manifests": manifests, "validation_results": checked}


def ingredient(label: str = "", *failures: str, title: str = "part") -> dict[str, Any]:
    recorded = {"activeManifest": results(*failures)} if label else {}
    named = {"active_manifest": label} if label else {}
    return {
        "title": title,
        "relationship": "parentOf",
        "label": "c2pa.ingredient.v3",
        "validation_results": recorded,
        **named,
    }


def created(kind: str = AI) -> dict[str, Any]:
    return {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": kind}]}}


def problem_codes(manifest: Manifest) -> list[str]:
    return [item.code for item in manifest.problems]


@pytest.mark.parametrize(
    ("failures", "integrity", "trust"),
    [
        ((), Integrity.INTACT, Trust.TRUSTED),
        (("signingCredential.untrusted",), Integrity.INTACT, Trust.UNKNOWN),
        (("signingCredential.untrusted", "signingCredential.expired"), Integrity.INTACT, Trust.EXPIRED),
        (("signingCredential.ocsp.revoked", "signingCredential.expired"), Integrity.INTACT, Trust.REVOKED),
        (("signingCredential.invalid",), Integrity.INTACT, Trust.INVALID),
        (("claimSignature.outsideValidity",), Integrity.INTACT, Trust.EXPIRED),
        (("assertion.dataHash.mismatch",), Integrity.TAMPERED, Trust.TRUSTED),
        (("assertion.hashedURI.mismatch",), Integrity.TAMPERED, Trust.TRUSTED),
        (("claim.malformed",), Integrity.TAMPERED, Trust.TRUSTED),
        (("assertion.missing",), Integrity.TAMPERED, Trust.TRUSTED),
        (("claimSignature.mismatch",), Integrity.TAMPERED, Trust.INVALID),
        (("cawg.x509.signature.mismatch",), Integrity.INTACT, Trust.TRUSTED),
        (("timeStamp.mismatch",), Integrity.INTACT, Trust.TRUSTED),
        (("assertion.inaccessible",), Integrity.UNVERIFIED, Trust.TRUSTED),
        (("algorithm.unsupported",), Integrity.UNVERIFIED, Trust.TRUSTED),
        (("something.new",), Integrity.UNVERIFIED, Trust.TRUSTED),
    ],
)
def test_two_axes(failures: tuple[str, ...], integrity: Integrity, trust: Trust) -> None:
    found = to_manifest(report({"a": {}}, results(*failures)))
    assert (found.integrity, found.trust) == (integrity, trust)
    assert set(failures) <= set(problem_codes(found))


@pytest.mark.parametrize("missing", GOOD)
def test_what_was_not_checked_is_not_claimed(missing: str) -> None:
    found = to_manifest(report({"a": {}}, results(success=tuple(code for code in GOOD if code != missing))))
    assert (found.integrity, found.trust) != (Integrity.INTACT, Trust.TRUSTED)


def test_an_ingredient_broken_before_it_was_added_is_shown() -> None:
    found = to_manifest(report({"a": {"ingredients": [ingredient("b", "assertion.dataHash.mismatch")]}, "b": {}}))
    (part,) = found.ingredients
    assert found.integrity is Integrity.INTACT
    assert [item.code for item in part.problems] == ["assertion.dataHash.mismatch"]
    assert part.manifest is not None and part.manifest.integrity is Integrity.TAMPERED


def test_an_ingredient_by_an_unknown_signer_is_not_called_broken() -> None:
    found = to_manifest(report({"a": {"ingredients": [ingredient("b", "signingCredential.untrusted")]}, "b": {}}))
    (part,) = found.ingredients
    assert part.problems == ()
    assert part.manifest is not None and part.manifest.trust is Trust.UNKNOWN


def test_the_records_of_version_1_count_too() -> None:
    old = {"title": "p", "active_manifest": "b", "validation_status": [{"code": "assertion.dataHash.mismatch"}]}
    (part,) = to_manifest(report({"a": {"ingredients": [old]}, "b": {}})).ingredients
    assert [item.code for item in part.problems] == ["assertion.dataHash.mismatch"]


def test_a_swapped_ingredient_makes_the_whole_tampered() -> None:
    delta = {
        "ingredientAssertionURI": "self#jumbf=/c2pa/a/c2pa.assertions/c2pa.ingredient.v3",
        "validationDeltas": results("ingredient.manifest.mismatch", success=()),
    }
    found = to_manifest(report({"a": {"ingredients": [ingredient("b")]}, "b": {}}, ingredientDeltas=[delta]))
    assert found.integrity is Integrity.TAMPERED
    assert "ingredient.manifest.mismatch" in problem_codes(found)
    assert [item.code for item in found.ingredients[0].problems] == ["ingredient.manifest.mismatch"]


def test_source_types_of_all_reachable_manifests_own_first() -> None:
    own, deep = "http://example.org/own", "http://example.org/deep"
    manifests = {
        "a": {"assertions": [created(own)], "ingredients": [ingredient("b")]},
        "b": {"ingredients": [ingredient("c")]},
        "c": {"assertions": [created(deep), created(own)]},
    }
    found = to_manifest(report(manifests))
    assert found.source_types == (own, deep)
    assert found.own_source_types == (own,)


def test_an_unreferenced_manifest_is_flagged_and_does_not_count() -> None:
    stray = {"assertions": [created()], "title": "stray"}
    found = to_manifest(report({"a": {}, "z": stray}))
    (part,) = found.ingredients
    assert found.source_types == ()
    assert part.manifest is not None and not part.manifest.reachable
    assert part.problems[0].code == "manifest.unreferenced" and AI in part.problems[0].explanation


def test_an_active_manifest_that_is_not_there_is_told() -> None:
    found = to_manifest(report({}))
    assert found.label == "a" and "manifest.unknownProvenance" in problem_codes(found)


def test_a_loop_ends() -> None:
    manifests = {"a": {"ingredients": [ingredient("b")]}, "b": {"ingredients": [ingredient("a")]}}
    found = to_manifest(report(manifests))
    assert found.ingredients[0].manifest is not None
    assert [item.code for item in found.ingredients[0].manifest.ingredients[0].problems] == ["manifest.loop"]


def test_depth_is_capped_and_told() -> None:
    labels = ["a", *(f"m{i}" for i in range(60))]
    manifests = {one: {"ingredients": [ingredient(two)]} for one, two in itertools.pairwise(labels)}
    found: Manifest | None = to_manifest(report(manifests))
    depth, seen = 0, []
    while found is not None:
        depth += 1
        seen += problem_codes(found)
        found = found.ingredients[0].manifest if found.ingredients else None
    assert depth == MAX_DEPTH
    assert "manifest.limit" in seen


def test_a_broad_web_is_capped() -> None:
    labels = ["a", *(f"m{i}" for i in range(12))]
    manifests = {one: {"ingredients": [ingredient(two)] * 4} for one, two in itertools.pairwise(labels)}

    def count(manifest: Manifest) -> int:
        return 1 + sum(count(item.manifest) for item in manifest.ingredients if item.manifest is not None)

    assert count(to_manifest(report(manifests))) <= MAX_MANIFESTS


def test_hostile_values_are_passed_over() -> None:
    junk: list[Any] = [None, 7, "x", [], {}, [[]], {"a": None}, [None, 7]]
    for value in junk:
        record = {
            "title": value,
            "claim_generator_info": value,
            "signature_info": value,
            "ingredients": value,
            "assertions": [
                {"label": "c2pa.actions", "data": value},
                {"label": "c2pa.soft-binding", "data": value},
                value,
            ],
        }
        assert to_manifest(report({"a": record}, active=value if isinstance(value, dict) else {})).label == "a"
        assert to_manifest({"manifests": value, "validation_results": value, "active_manifest": value}).integrity


def test_texts_are_cut() -> None:
    assert len(to_manifest(report({"a": {"title": "x" * 10_000}})).title) == 300


def test_what_a_manifest_says() -> None:
    record = {
        "title": "t",
        "claim_generator_info": [{"name": "Tool", "version": "3"}],
        "signature_info": {"common_name": "Signer", "issuer": "Org", "time": "2026-01-02T03:04:05+01:00"},
        "assertions": [
            {
                "label": "c2pa.actions.v2__1",
                "data": {"actions": [{"action": "c2pa.edited", "softwareAgent": {"name": "M", "version": "1"}}]},
            },
            {"label": "c2pa.soft-binding__2", "data": {"alg": "x.y", "blocks": [{"value": [1, 255]}, {"value": "v"}]}},
            {"label": "stds.schema-org.CreativeWork", "data": {"author": [{"name": "Ada"}]}},
            {"label": "cawg.identity", "data": {"verifiedIdentities": [{"name": "Bob"}]}},
            {"label": "stds.iptc", "data": {"Iptc4xmpExt:DigitalSourceType": "http://example.org/kind"}},
        ],
    }
    found = to_manifest(report({"a": record}, results(success=(*GOOD, "timeStamp.trusted"))))
    assert (found.title, found.generator, found.signer) == ("t", "Tool 3", "Signer, Org")
    assert found.signed_at is not None and found.signed_at.isoformat() == "2026-01-02T02:04:05+00:00"
    assert found.time_stamped
    assert (found.actions, found.software_agents) == (("c2pa.edited",), ("M 1",))
    assert found.soft_bindings == (("x.y", "01ff"), ("x.y", "v"))
    assert found.author == "Ada, Bob"
    assert found.source_types == ("http://example.org/kind",)


def test_a_time_without_a_trusted_stamp_is_the_signers_word() -> None:
    record = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [{"when": "2026-01-02T03:04:05Z"}]}}]}
    found = to_manifest(report({"a": record}, results(remarks=("timeStamp.untrusted",))))
    assert found.signed_at is not None and not found.time_stamped
    assert "timeStamp.untrusted" in problem_codes(found)


def test_every_known_code_has_a_sentence() -> None:
    assert all(text.endswith(".") and len(text) < 130 for text in codes.EXPLANATIONS.values())
    assert "never.heard.of" in codes.explain("never.heard.of")
