"""What holds for every source of evidence, found by file name."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filigrane.core.image import decode, encode
from filigrane.core.values import Evidence, Finding
from filigrane.detector.base import Context, EvidenceSource, build_sources, source_names
from filigrane.detector.policy import load_policy
from filigrane.provenance.trust import TrustStore


@pytest.fixture
def source(name: str, tmp_path: Path) -> EvidenceSource:
    (found,) = build_sources((name,), Context(load_policy(), TrustStore(), tmp_path))
    return found


@pytest.mark.parametrize("name", source_names())
class TestEverySource:
    def test_carries_its_file_name(self, name: str, source: EvidenceSource) -> None:
        assert source.name == name and isinstance(source.guarded, bool)

    def test_says_something_of_a_plain_picture(
        self, name: str, source: EvidenceSource, scene: NDArray[np.uint8]
    ) -> None:
        found = source.examine(decode(encode(scene, "png")))
        assert isinstance(found, Evidence) and found.source == name
        assert found.summary.endswith(".")
        assert np.isfinite(found.llr)
        if found.finding is Finding.UNAVAILABLE:
            assert found.llr == 0.0

    def test_survives_a_picture_of_one_pixel(self, name: str, source: EvidenceSource) -> None:
        found = source.examine(decode(encode(np.zeros((1, 1, 3), np.uint8), "png")))
        assert found.llr == 0.0 and found.finding is not Finding.PRESENT

    def test_travels_to_a_worker_where_it_is_guarded(self, name: str, source: EvidenceSource) -> None:
        if source.guarded:
            assert pickle.loads(pickle.dumps(source)).name == name
