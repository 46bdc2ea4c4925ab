"""Laws of what a manifest weighs as evidence: no statement weighs more than who vouches for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from filigrane.core.image import decode, encode
from filigrane.core.values import Evidence, Finding, Integrity, Manifest, Trust
from filigrane.detector.base import Context, build_sources
from filigrane.detector.policy import load_policy
from filigrane.provenance.source_types import SourceType
from filigrane.provenance.trust import TrustStore

PICTURE = decode(encode(np.zeros((8, 8, 3), np.uint8), "png"))


def asked(home: Path, source: str, kind: SourceType, trust: Trust, integrity: Integrity = Integrity.INTACT) -> Evidence:
    """What a source says of a picture whose manifest declares ``kind``."""
    manifest = Manifest("m", integrity, trust, "S", "G", source_types=(kind.uri,), own_source_types=(kind.uri,))
    parsed: dict[str, object] = {"manifest": manifest}
    context = Context(load_policy(), TrustStore(), home, _parsed=parsed, _sha256=PICTURE.sha256)
    (found,) = build_sources((source,), context)
    return found.examine(PICTURE)


@pytest.mark.parametrize(
    ("source", "kind", "sign"),
    [("manifest", SourceType.TRAINED_ALGORITHMIC_MEDIA, 1), ("camera", SourceType.DIGITAL_CAPTURE, -1)],
)
def test_an_expired_signer_weighs_no_more_than_one_that_nobody_knows(
    tmp_path: Path, source: str, kind: SourceType, sign: int
) -> None:
    weights = {trust: sign * asked(tmp_path, source, kind, trust).llr for trust in Trust}
    assert weights[Trust.TRUSTED] > weights[Trust.UNKNOWN] >= weights[Trust.EXPIRED] > 0
    assert weights[Trust.UNKNOWN] > max(weights[Trust.REVOKED], weights[Trust.INVALID])


@pytest.mark.parametrize("trust", [Trust.REVOKED, Trust.INVALID])
def test_a_camera_whose_signature_is_worth_nothing_says_nothing(tmp_path: Path, trust: Trust) -> None:
    found = asked(tmp_path, "camera", SourceType.DIGITAL_CAPTURE, trust)
    assert (found.finding, found.llr) == (Finding.ABSENT, 0)


@pytest.mark.parametrize("integrity", [Integrity.TAMPERED, Integrity.UNVERIFIED])
def test_a_manifest_that_does_not_fit_its_file_is_never_full_evidence(tmp_path: Path, integrity: Integrity) -> None:
    made = asked(tmp_path, "manifest", SourceType.TRAINED_ALGORITHMIC_MEDIA, Trust.TRUSTED, integrity)
    assert made.finding is Finding.INVALID and made.llr < load_policy().thresholds["ai_generated"]
    assert asked(tmp_path, "camera", SourceType.DIGITAL_CAPTURE, Trust.TRUSTED, integrity).llr == 0
