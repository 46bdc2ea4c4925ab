"""What the benchmarks name is there: they are run by hand, so nothing else would notice."""

from __future__ import annotations

import pytest

from filigrane.perturb import table


def test_the_benchmark_of_the_latent_mark_names_rows_of_the_table() -> None:
    pytest.importorskip("diffusers")
    from benchmarks import latent

    assert [table.row(name).name for name in latent.ATTACKS] == list(latent.ATTACKS)
