"""Parquet: one row for each picture with the whole evidence as JSON text, for analysis at scale."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from typing import IO

from filigrane.app.formats._flat import COLUMNS, flat
from filigrane.app.records import Record
from filigrane.core.errors import MissingExtra

BATCH = 2_000


class Parquet:
    """Written in row groups of `BATCH` records."""

    thumbnail_px = 0

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Write all records; MissingExtra where pyarrow is not installed."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise MissingExtra("Writing Parquet", "evaluate") from error
        kinds = {"width_px": pa.int32(), "height_px": pa.int32(), "probability": pa.float64()}
        schema = pa.schema([(name, kinds.get(name, pa.string())) for name in (*COLUMNS, "evidence")])
        rows = iter(records)
        with pq.ParquetWriter(stream, schema) as writer:
            while batch := list(islice(rows, BATCH)):
                table = pa.Table.from_pylist([_row(record) for record in batch], schema=schema)
                writer.write_table(table)


def _row(record: Record) -> dict[str, str | int | float | None]:
    return {**flat(record), "evidence": json.dumps(record["evidence"], ensure_ascii=False)}


def build() -> Parquet:
    """The format."""
    return Parquet()
