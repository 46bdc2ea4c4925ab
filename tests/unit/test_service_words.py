"""The page's words: both languages say everything, and what evidence says is told in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from filigrane.app.recover import State
from filigrane.core import plugins
from filigrane.core.values import Evidence, Finding, Integrity, Label, Trust
from filigrane.detector.conflicts import RULES, find_conflicts
from filigrane.detector.evidence.metadata import SAYS
from filigrane.provenance.source_types import SourceType
from filigrane.service import words
from filigrane.service.pages import LANGUAGES, texts
from filigrane.service.schemas import EvidenceOut, VerdictOut

TEXTS = [pytest.param(texts(code), id=code) for code in LANGUAGES]


def evidence(source: str, finding: Finding = Finding.PRESENT, llr: float = 0.0, **details: Any) -> EvidenceOut:
    return EvidenceOut(source=source, finding=finding, llr=llr, summary="In English.", details=details)


def manifest(**changed: Any) -> EvidenceOut:
    facts = {
        "label": "urn:1",
        "integrity": "intact",
        "signer_trust": "trusted",
        "signer": "Someone {0}",
        "generator": "Tool",
        "source_types": [SourceType.TRAINED_ALGORITHMIC_MEDIA.uri],
        "ingredients": [],
    }
    return evidence("manifest", llr=9.0, **{**facts, **changed})


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def test_every_language_has_the_same_words_with_the_same_blanks() -> None:
    first, *others = (texts(code) for code in LANGUAGES)
    for other in others:
        assert list(first) == list(other)
        for name, text in first.items():
            assert placeholders(text) == placeholders(other[name]), name


@pytest.mark.parametrize("t", TEXTS)
def test_everything_that_can_be_the_case_has_words(t: words.Texts) -> None:
    wanted = [f"verdict.{label}{part}" for label in Label for part in ("", ".text")]
    wanted += [f"advice.{label}" for label in Label]
    wanted += [f"conflict.{code}" for code in RULES]
    wanted += [f"finding.{finding}" for finding in Finding]
    wanted += [f"{group}{integrity}" for integrity in Integrity for group in ("integrity.", "say.manifest.")]
    wanted += [f"trust.{trust}" for trust in Trust] + [
        f"say.trust.{trust}" for trust in Trust if trust != Trust.TRUSTED
    ]
    wanted += [f"say.metadata.{says}" for says in SAYS] + [f"recovered.{state}" for state in State]
    assert [name for name in wanted if not t.get(name)] == []


def _used() -> Iterator[str]:
    for template in files("filigrane.service.web").joinpath("templates").iterdir():
        yield from re.findall(r"t\['([\w.]+)'\]", template.read_text(encoding="utf-8"))


@pytest.mark.parametrize("t", TEXTS)
def test_every_word_that_a_template_uses_is_there(t: words.Texts) -> None:
    used = set(_used())
    assert len(used) > 50 and used <= set(t)


CASES = [
    manifest(),
    manifest(integrity="tampered", signer_trust="unknown"),
    manifest(source_types=[], generator=None, signer=None, signer_trust="expired"),
    manifest(ingredients=[{"title": "a", "problems": [{"code": "x"}], "manifest": None}]),
    evidence("manifest", Finding.ABSENT),
    evidence("watermark", Finding.ABSENT),
    evidence("watermark", llr=6.0, method="sd_dwtdct"),
    evidence("watermark", id="0" * 15),
    evidence("watermark", id="0" * 15, registry={"revoked": True}),
    evidence("watermark", id="0" * 15, registry={"revoked": False, "look": "different"}),
    evidence(
        "watermark",
        llr=7.0,
        id="0" * 15,
        registry={"revoked": False, "provider": "P", "system": "S", "issued_at": "2026"},
    ),
    evidence("watermark", llr=7.0, id="0" * 15, registry={"revoked": False, "look": "same", "issued_at": "2026"}),
    evidence("latent", Finding.ABSENT),
    evidence("latent", llr=6.0),
    evidence("latent", llr=6.0, id="0" * 15),
    evidence("metadata", Finding.ABSENT, marks=[]),
    *(evidence("metadata", llr=5.0, marks=[{"tool": "T", "says": says}]) for says in SAYS),
    evidence("camera", Finding.ABSENT),
    evidence("camera", Finding.ABSENT, make="C"),
    evidence("camera", llr=-0.7, make="C", model="M"),
    evidence("camera", llr=-6.0, signer="S"),
    evidence("classifier", llr=3.0),
    evidence("classifier", Finding.ABSENT, llr=1.0),
    evidence("classifier", Finding.ABSENT, llr=-0.2),
    evidence("classifier", Finding.UNAVAILABLE),
    evidence("anybody's", Finding.UNAVAILABLE),
]


@pytest.mark.parametrize("item", CASES, ids=lambda item: f"{item.source}-{item.finding}")
def test_evidence_is_told_in_every_language(item: EvidenceOut) -> None:
    said = [words.sentence(item, texts(code)) for code in LANGUAGES]
    assert all(each.translated for each in said) and len({each.text for each in said}) == len(LANGUAGES)
    assert not any("{" in each.text.replace("{0}", "") or "None" in each.text for each in said)


def test_every_source_that_ships_has_words() -> None:
    shipped = plugins.names("filigrane.detector.evidence")
    assert {item.source for item in CASES} >= set(shipped)
    assert [name for name in shipped for code in LANGUAGES if f"source.{name}" not in texts(code)] == []


def test_a_source_without_words_here_speaks_for_itself() -> None:
    said = [words.sentence(evidence("elsewhere"), texts(code)) for code in LANGUAGES]
    assert {each.text for each in said} == {"In English."}
    assert [each.translated for each in said] == [True, False]


def test_a_broken_ingredient_is_told() -> None:
    whole, broken = (words.sentence(item, texts("en")).text for item in (CASES[0], CASES[3]))
    assert broken.startswith(whole) and len(broken) > len(whole)


def test_how_clearly_evidence_speaks_follows_its_weight() -> None:
    told = [words.leaning(evidence("a", llr=llr), texts("en")) for llr in (-9.0, -1.0, 0.0, 1.0, 9.0)]
    assert told[2] == "" and len(set(told)) == 5


def verdict(conflicts: list[str]) -> VerdictOut:
    return VerdictOut(
        label=Label.INCONCLUSIVE,
        probability=0.5,
        prior=0.5,
        summary="In English.",
        conflicts=conflicts,
        thresholds={"conflict": 0.5},
        policy_hash="0",
        recommended_action="None.",
    )


@pytest.mark.parametrize(
    "items",
    [
        [manifest(), evidence("camera", llr=-6.0, signer="S")],
        [evidence("manifest", Finding.INVALID)],
        [evidence("manifest", Finding.ABSENT), evidence("watermark", id="0" * 15)],
        [evidence("manifest", Finding.ABSENT), evidence("metadata", Finding.ABSENT, manifest_reference="http://a")],
        [evidence("manifest", Finding.ABSENT)],
    ],
    ids=["both", "changed", "stripped", "elsewhere", "none"],
)
def test_every_conflict_that_is_found_has_words(items: list[EvidenceOut]) -> None:
    told = find_conflicts(
        [Evidence(item.source, item.finding, item.llr, item.summary, item.details) for item in items], weight=0.5
    )
    said = words.conflicts(items, verdict([conflict.sentence for conflict in told]), texts("fr"))
    assert said.translated and len(said.text.splitlines()) == len(told)


def test_a_conflict_that_has_no_words_here_is_told_as_it_is() -> None:
    said = words.conflicts([evidence("manifest", Finding.ABSENT)], verdict(["Something new."]), texts("fr"))
    assert (said.text, said.translated) == ("Something new.", False)
