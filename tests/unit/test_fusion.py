"""Laws of fusing evidence into a verdict."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filigrane.core.errors import UsageError
from filigrane.core.values import Evidence, Finding, Label
from filigrane.detector.fusion import fuse, total_llr
from filigrane.detector.policy import load_policy

POLICY = load_policy()

sources = st.sampled_from(["manifest", "metadata", "camera", "watermark", "classifier", "spectral"])
items = st.builds(
    Evidence,
    source=sources,
    finding=st.sampled_from(Finding),
    llr=st.floats(-10, 10, allow_nan=False),
    summary=st.text(max_size=5),
)


def say(source: str, llr: float, finding: Finding = Finding.PRESENT) -> Evidence:
    return Evidence(source, finding, llr, f"{source} speaks.")


def label(*evidence: Evidence, prior: float = 0.5, depicts: bool = True) -> Label:
    return fuse(evidence, sha256="0", policy=POLICY, prior=prior, depicts=depicts).label


@given(st.lists(items, max_size=4))
def test_order_does_not_matter(evidence: list[Evidence]) -> None:
    verdicts = [fuse(order, sha256="0", policy=POLICY) for order in itertools.permutations(evidence)]
    assert all(verdict == verdicts[0] for verdict in verdicts)


@given(st.lists(items, max_size=6), items)
def test_more_evidence_for_ai_never_lowers_the_total(evidence: list[Evidence], extra: Evidence) -> None:
    before, after = total_llr(evidence, POLICY), total_llr([*evidence, extra], POLICY)
    assert after >= before if extra.llr >= 0 else after <= before


@given(st.lists(items, max_size=6), st.floats(0.001, 0.999))
def test_prior_alone_never_accuses(evidence: list[Evidence], prior: float) -> None:
    accusing = {Label.AI_GENERATED, Label.LIKELY_AI}
    if label(*evidence, prior=prior) in accusing:
        said = [item for item in evidence if item.source in POLICY.declared]
        assert max(total_llr(evidence, POLICY), total_llr(said, POLICY)) >= POLICY.thresholds["likely_ai"]


@given(st.floats(0.001, 0.999))
def test_silence_is_no_evidence_and_keeps_the_prior(prior: float) -> None:
    verdict = fuse([say("metadata", 0.0, Finding.ABSENT)], sha256="0", policy=POLICY, prior=prior)
    assert verdict.label is Label.NO_EVIDENCE_OF_AI
    assert verdict.probability == pytest.approx(prior)
    assert "does not prove" in verdict.summary


def test_statements_of_one_tool_count_once() -> None:
    assert total_llr([say("manifest", 5.0), say("metadata", 4.0)], POLICY) == 5.0
    assert total_llr([say("classifier", 2.0), say("spectral", 1.0)], POLICY) == 3.0


def test_only_declared_signs_carry_the_label_ai_generated() -> None:
    assert label(say("metadata", 5.0)) is Label.AI_GENERATED
    assert label(say("classifier", 11.0)) is Label.LIKELY_AI


def test_a_low_prior_holds_an_accusation_back() -> None:
    assert label(say("classifier", 3.0), prior=0.5) is Label.LIKELY_AI
    assert label(say("classifier", 3.0), prior=0.01) is Label.INCONCLUSIVE


def test_trusted_capture_is_authentic_and_contradicted_capture_is_not() -> None:
    camera = say("camera", POLICY.weight("camera.signed.trusted"))
    assert label(camera) is Label.AUTHENTIC_PROVENANCE
    verdict = fuse([camera, say("metadata", 5.0)], sha256="0", policy=POLICY)
    assert verdict.label is Label.INCONCLUSIVE
    assert len(verdict.conflicts) == 1
    assert "contradict" in verdict.conflicts[0]


def test_a_tampered_manifest_is_inconclusive_and_named() -> None:
    verdict = fuse([say("manifest", 0.0, Finding.INVALID)], sha256="0", policy=POLICY)
    assert verdict.label is Label.INCONCLUSIVE
    assert any("changed after" in conflict for conflict in verdict.conflicts)


def test_stripped_manifest_is_named() -> None:
    absent = say("manifest", 0.0, Finding.ABSENT)
    mark = Evidence("watermark", Finding.PRESENT, 8.0, "marked", {"id": "0123"})
    verdict = fuse([absent, mark], sha256="0", policy=POLICY)
    assert any("stripped" in conflict for conflict in verdict.conflicts)
    reference = Evidence("metadata", Finding.ABSENT, 0.0, "none", {"manifest_reference": "self#jumbf"})
    assert len(fuse([absent, reference], sha256="0", policy=POLICY).conflicts) == 1


def test_nothing_depicted_is_not_applicable_unless_declared() -> None:
    assert label(depicts=False) is Label.NOT_APPLICABLE
    assert label(say("metadata", 5.0), depicts=False) is Label.AI_GENERATED


def test_own_policy_overrides_only_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"weights": {"camera.maker_data": -0.1}}')
    own = load_policy(path)
    assert own.weight("camera.maker_data") == -0.1
    assert own.weight("camera.signed.trusted") == POLICY.weight("camera.signed.trusted")
    assert own.hash != POLICY.hash


@pytest.mark.parametrize("text", ["[]", "not json", '{"wieghts": {}}', '{"weights": {"camera.maker_data": "x"}}'])
def test_a_bad_policy_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"policy.*\.$"):
        load_policy(path)


def test_what_was_found_is_named_even_where_it_does_not_speak_of_ai() -> None:
    found = fuse([say("watermark", 0.0), say("metadata", 0.0, Finding.ABSENT)], sha256="0", policy=POLICY)
    assert found.label is Label.NO_EVIDENCE_OF_AI
    assert "watermark speaks." in found.summary
    assert "metadata speaks." not in found.summary


def test_a_detector_that_sees_nothing_takes_nothing_back() -> None:
    said = say("metadata", POLICY.thresholds["ai_generated"] + 0.1)
    assert label(said, say("classifier", -0.25, Finding.ABSENT)) is Label.AI_GENERATED
    assert label(said, say("camera", -2.0)) is not Label.AI_GENERATED


def test_a_verdict_names_the_model_that_measured() -> None:
    camera = Evidence("camera", Finding.PRESENT, -0.7, "A camera.", {"model": "M3"})
    measured = Evidence("classifier", Finding.ABSENT, 0.1, "Unsure.", {"model": "abc"})
    assert fuse([camera, measured], sha256="0", policy=POLICY).model_hash == "abc"
    assert fuse([camera], sha256="0", policy=POLICY).model_hash == ""


@pytest.mark.parametrize("prior", [5e-324, 1e-320, 0.5, 1 - 2**-53])
@pytest.mark.parametrize("llr", [-1e9, 0.0, 1e9])
def test_any_prior_gives_a_probability(prior: float, llr: float) -> None:
    assert 0 <= fuse([say("classifier", llr)], sha256="0", policy=POLICY, prior=prior).probability <= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"weights": 5}', "weights"),
        ('{"weights": {"mark.generated.typo": 1}}', "mark.generated.typo"),
        ('{"thresholds": {"likely_ai": NaN}}', "nan"),
        ('{"cap": -1}', "above 0"),
        ("[" * 100_000, "can't be used"),
    ],
)
def test_a_policy_that_would_do_nothing_or_nonsense_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        load_policy(path)
