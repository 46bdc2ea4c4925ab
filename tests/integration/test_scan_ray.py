"""A scan on Ray says what a scan on this machine says, each picture once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from filigrane.app.inputs import Item, expand
from filigrane.app.records import to_record
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned, scan_items
from filigrane.app.scan_ray import scan_on_ray
from filigrane.core.image import encode
from filigrane.core.settings import Settings
from filigrane.core.values import Pixels

ray = pytest.importorskip("ray", reason="needs the extra [ray]")


def _records(pairs: list[tuple[Item, Scanned]]) -> dict[str, object]:
    records: dict[str, object] = {}
    for _, scanned in pairs:
        record = dict(to_record(scanned))
        record.pop("elapsed_s", None)
        assert record["path"] not in records
        records[str(record["path"])] = record
    return records


def test_ray_and_local_agree(tmp_path: Path, home: Path, scene: Pixels) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(5):
        (folder / f"{index}.png").write_bytes(encode(np.roll(scene, index, 0), "png"))
    (folder / "broken.png").write_bytes(encode(scene, "png")[:400])
    runtime = Runtime(Settings(home=home, workers=1), sources=("metadata", "manifest"))
    local = _records(list(scan_items(expand([str(folder)], max_bytes=2**20), runtime)))
    try:
        spread = _records(list(scan_on_ray(expand([str(folder)], max_bytes=2**20), runtime, shard=2)))
    finally:
        ray.shutdown()
    assert len(local) == 6
    assert spread == local
