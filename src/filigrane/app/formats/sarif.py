"""SARIF 2.1.0 (OASIS): findings for code-scanning dashboards and CI; pictures without findings are only counted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO
from urllib.parse import quote

from filigrane import __version__
from filigrane.app.formats._flat import as_list, as_map
from filigrane.app.records import Record
from filigrane.core.values import Json, Label

LEVELS = {
    Label.AI_GENERATED.value: "warning",
    Label.LIKELY_AI.value: "warning",
    Label.INCONCLUSIVE.value: "note",
}
RULES = {
    Label.AI_GENERATED.value: "The picture declares that it was made or edited by AI.",
    Label.LIKELY_AI.value: "The picture was probably made or edited by AI.",
    Label.INCONCLUSIVE.value: "The evidence on the picture does not settle its origin.",
    "unreadable": "The file could not be read as a picture.",
}


class Sarif:
    """One run; one result for each picture with a finding or an error."""

    thumbnail_px = 0

    def write(self, records: Iterable[Record], stream: IO[bytes]) -> None:
        """Write the log, its results one by one."""
        rules: Json = [{"id": name, "shortDescription": {"text": text}} for name, text in RULES.items()]
        driver: Json = {"name": "Filigrane", "version": __version__, "rules": rules}
        head = (
            '{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", '
            f'"runs": [{{"tool": {{"driver": {json.dumps(driver)}}}, "results": ['
        )
        stream.write(head.encode())
        separator = b"\n"
        for record in records:
            result = _result(record)
            if result is not None:
                stream.write(separator + json.dumps(result, ensure_ascii=False).encode())
                separator = b",\n"
        stream.write(b"\n]}]}\n")


def _result(record: Record) -> dict[str, Json] | None:
    error, verdict = as_map(record["error"]), as_map(record["verdict"])
    label = "unreadable" if error else str(verdict.get("label"))
    if label not in RULES:
        return None
    text = str(error.get("message") or verdict.get("summary"))
    for conflict in as_list(verdict.get("conflicts")):
        text += f" {conflict}"
    result: dict[str, Json] = {
        "ruleId": label,
        "level": LEVELS.get(label, "error"),
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": quote(Path(str(record["path"])).as_posix())}}}],
    }
    if record["sha256"]:
        result["fingerprints"] = {"sha256": record["sha256"]}
    return result


def build() -> Sarif:
    """The format."""
    return Sarif()
