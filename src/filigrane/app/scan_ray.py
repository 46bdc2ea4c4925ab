"""Scanning on a Ray cluster: the same guarded scan, one task for each shard of inputs, with bounded look-ahead.

Paths must be reachable from every node. The journal stays with the caller, so that resuming does not depend on Ray.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from filigrane.app.inputs import Item
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned, scan_items
from filigrane.core.errors import MissingExtra
from filigrane.core.settings import Settings

SHARD = 200


def scan_on_ray(
    items: Iterable[Item], runtime: Runtime, *, thumbnail_px: int = 0, shard: int = SHARD
) -> Iterator[tuple[Item, Scanned]]:
    """Like `scan_items`, spread over the cluster that ``RAY_ADDRESS`` names, or over one started here.

    Raises MissingExtra where Ray is not installed.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtra("Scanning on a Ray cluster", "ray") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    task = ray.remote(num_cpus=1)(_scan_shard)
    abreast = max(1, int(ray.cluster_resources().get("CPU", 1)))
    todo, pending = iter(items), []
    while batch := list(islice(todo, shard)):
        pending.append(task.remote(batch, runtime.settings, runtime.source_names, thumbnail_px))
        if len(pending) > abreast:
            yield from _next_done(ray, pending)
    while pending:
        yield from _next_done(ray, pending)


def _next_done(ray: Any, pending: list[Any]) -> Iterator[tuple[Item, Scanned]]:
    """The results of whichever shard is ready first; it leaves ``pending``."""
    (done,), _ = ray.wait(pending, num_returns=1)
    pending.remove(done)
    yield from ray.get(done)


def _scan_shard(
    batch: list[Item], settings: Settings, sources: tuple[str, ...], thumbnail_px: int
) -> list[tuple[Item, Scanned]]:
    """One task: a guarded scan of ``batch`` with one worker process."""
    runtime = Runtime(settings.model_copy(update={"workers": 1}), sources=sources)
    return list(scan_items(batch, runtime, thumbnail_px=thumbnail_px))
