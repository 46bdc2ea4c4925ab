"""One test over every form a scan can be written in."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet
import pytest

from filigrane.app.formats import FOLDER, Format
from filigrane.app.records import to_record
from filigrane.app.scan import Scanned
from filigrane.core import plugins
from filigrane.core.errors import NotFound
from filigrane.core.values import Evidence, Finding
from filigrane.detector.fusion import fuse
from filigrane.detector.policy import load_policy

HOSTILE = '</script><img src=x onerror=alert(1)> =1+1 "quoted", naïve\n\x1b[31m'


def scanned(path: str, llr: float) -> Scanned:
    evidence = (
        Evidence("metadata", Finding.PRESENT, llr, HOSTILE, {"prompt": HOSTILE, "personal": {"gps": "48.1, 11.5"}}),
        Evidence("camera", Finding.ABSENT, 0.0, "Lone \ud800.", {"\udcff": ["\ud800", {"x": "\udfff"}]}),
        Evidence(
            "manifest", Finding.ABSENT, 0.0, "There is no C2PA manifest.", {"nested": [{"deep": (1, float("nan"))}]}
        ),
    )
    verdict = fuse(evidence, sha256="ab" * 32, policy=load_policy())
    return Scanned(path, "ab" * 32, "png", 640, 480, verdict, ("a note",), b"\xff\xd8jpeg")


RECORDS = [
    to_record(scanned("=HYPERLINK(1).png", 5.0)),
    to_record(scanned("b & <c>.png", 0.0)),
    to_record(Scanned("caf\udce9.png", error="caf\udce9.png is damaged.", error_kind="UnreadableInput", exit_code=3)),
    to_record(Scanned("broken.png", error="The file is damaged.", error_kind="UnreadableInput", exit_code=3)),
]


def write(name: str, records: list[dict[str, object]]) -> bytes:
    form: Format = plugins.load(FOLDER, name)
    stream = io.BytesIO()
    form.write(iter(records), stream)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_every_form_writes_every_picture_and_every_finding(name: str) -> None:
    data = write(name, RECORDS)  # type: ignore[arg-type]
    if name == "parquet":
        table = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
        text = json.dumps(table)
        assert [row["label"] for row in table] == ["ai_generated", "no_evidence_of_ai", None, None]
    else:
        text = data.decode()
    assert "broken.png" in text
    assert "damaged" in text
    assert "48.1" not in text


@pytest.mark.parametrize("name", plugins.names(FOLDER))
def test_every_form_can_write_nothing(name: str) -> None:
    assert write(name, []) or name == "jsonl"


def test_json_forms_hold_the_promised_fields() -> None:
    array = json.loads(write("json", RECORDS))  # type: ignore[arg-type]
    lines = [json.loads(line) for line in write("jsonl", RECORDS).splitlines()]  # type: ignore[arg-type]
    assert array == lines
    assert set(array[0]) >= {"path", "sha256", "format", "width_px", "height_px", "verdict", "evidence"}
    assert set(array[0]["verdict"]) >= {"label", "probability", "summary", "conflicts"}
    assert set(array[0]["evidence"][0]) >= {"source", "finding", "llr", "summary", "details"}
    assert array[3]["error"] == {"kind": "UnreadableInput", "message": "The file is damaged."}


def test_names_that_are_no_text_are_spelled_out() -> None:
    assert json.loads(write("json", RECORDS))[2]["path"] == "caf\\udce9.png"  # type: ignore[arg-type]


def test_spreadsheets_run_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(write("csv", RECORDS).decode())))  # type: ignore[arg-type]
    assert rows[0]["path"] == "'=HYPERLINK(1).png"
    assert rows[0]["decision"] == ""


def test_pages_run_no_script_from_metadata() -> None:
    page = write("html", RECORDS).decode()  # type: ignore[arg-type]
    assert "<img src=x" not in page
    assert "onerror" in page
    assert "http://" not in page
    assert "https://" not in page


def test_terminals_get_no_control_sequences_from_metadata() -> None:
    assert b"\x1b[31m" not in write("table", RECORDS)  # type: ignore[arg-type]


def test_sarif_is_one_run_with_a_result_for_each_finding() -> None:
    log = json.loads(write("sarif", RECORDS))  # type: ignore[arg-type]
    assert log["version"] == "2.1.0"
    results = log["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["ai_generated", "unreadable", "unreadable"]
    rules = {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in results} <= rules


def test_an_unknown_form_names_the_known_ones() -> None:
    with pytest.raises(NotFound, match="jsonl"):
        plugins.load(FOLDER, "xml")
