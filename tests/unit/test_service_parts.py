"""Laws of the parts that the service is made of, without a server."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from filigrane.app.keys import init_keys
from filigrane.app.records import to_record
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned
from filigrane.app.serving import idempotency, reports
from filigrane.app.serving.api_keys import ApiKeys
from filigrane.app.serving.idempotency import Answer, Idempotency, InFlight, OtherBody
from filigrane.app.serving.intake import clean_name, take_archive
from filigrane.app.serving.lookup import active_manifest
from filigrane.app.serving.results import Results, coarse
from filigrane.app.serving.settings import load_service
from filigrane.app.serving.tables import Ledger
from filigrane.app.serving.uploads import Uploads
from filigrane.core.errors import FiligraneError, LimitExceeded, UsageError
from filigrane.core.settings import load
from filigrane.core.values import Evidence, Finding, Json, Label, Verdict
from filigrane.provenance.certificates import Algorithm, Holder
from filigrane.service.limits import Buckets
from filigrane.service.middleware import BodyLimits


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "home")
    yield opened
    opened.close()


# Keys


def test_a_key_is_found_by_its_text_alone_and_not_after_it_was_revoked(ledger: Ledger) -> None:
    keys = ApiKeys(ledger)
    key, text = keys.create("desk", ["detect"])
    assert keys.find(text) == key
    assert keys.find(text[:-1] + ("A" if text[-1] != "A" else "B")) is None
    assert keys.find("sk-of-another-service") is None
    keys.revoke(key.id)
    assert keys.find(text) is None


def test_the_secret_of_a_key_is_not_in_the_database(ledger: Ledger, tmp_path: Path) -> None:
    _, text = ApiKeys(ledger).create("desk", ["detect"])
    ledger.close()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "home").glob("service.sqlite*"))
    assert text.partition(".")[2].encode() not in stored


def test_a_session_has_the_owner_of_its_key_and_ends_with_it(ledger: Ledger) -> None:
    keys = ApiKeys(ledger)
    key, _ = keys.create("desk", ["detect"])
    session, text = keys.session(key)
    assert session.owner == key.owner and session.scopes == key.scopes and session.expires_at is not None
    assert keys.list() == (key,)
    keys.revoke(key.id)
    assert keys.find(text) is None


def test_what_is_left_of_a_session_goes_once_it_has_ended(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, results = ApiKeys(ledger), Results(ledger, days=1)
    key, text = keys.create("desk", ["detect"], days=1)
    _, session = keys.session(key)
    results.purge()
    assert keys.find(session) is not None
    monkeypatch.setattr("filigrane.app.serving.results.now", lambda: datetime.now(UTC) + timedelta(days=2))
    results.purge()
    assert keys.find(session) is None and keys.find(text) == key


def test_ending_a_session_leaves_its_key(ledger: Ledger) -> None:
    keys = ApiKeys(ledger)
    key, text = keys.create("desk", ["detect"])
    _, session = keys.session(key)
    keys.end_session(session)
    keys.end_session(text)
    assert keys.find(session) is None and keys.find(text) == key


@pytest.mark.parametrize("scopes", [[], ["detect", "everything"]])
def test_a_key_without_rights_or_with_unknown_ones_is_refused(ledger: Ledger, scopes: list[str]) -> None:
    with pytest.raises(UsageError):
        ApiKeys(ledger).create("desk", scopes)


# Rates and quotas


@given(st.integers(1, 600), st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_a_bucket_never_lets_more_pass_than_its_size_and_its_rate(rate: int, pauses: list[float]) -> None:
    moment = 0.0
    buckets = Buckets(lambda: moment)
    passed = 0
    for pause in pauses:
        moment += pause
        passed += buckets.take("caller", rate) == 0
    assert passed <= max(1.0, rate / 6) + moment * rate / 60 + 1e-6


def test_waiting_as_long_as_told_is_enough() -> None:
    moment = 0.0
    buckets = Buckets(lambda: moment)
    while not (pause_s := buckets.take("caller", 30)):
        pass
    moment += pause_s
    assert buckets.take("caller", 30) == 0
    assert buckets.take("another", 30) == 0


def test_a_quota_is_counted_whole_or_not_at_all(ledger: Ledger) -> None:
    results = Results(ledger, days=1)
    assert results.spend("a", 3, 5)
    assert not results.spend("a", 3, 5)
    assert results.spend("a", 2, 5)
    assert results.spend("b", 5, 5)


# Idempotency


def test_a_repeated_request_gets_the_first_answer(ledger: Ledger) -> None:
    kept, asked = Idempotency(ledger), idempotency.Request("a", "POST /x", "k", "digest")
    assert kept.begin(asked) is None
    with pytest.raises(InFlight):
        kept.begin(asked)
    answer = Answer(200, b"{}", "application/json", "/x/1")
    kept.end(asked, answer)
    assert kept.begin(asked) == answer
    with pytest.raises(OtherBody):
        kept.begin(idempotency.Request("a", "POST /x", "k", "another"))
    assert kept.begin(idempotency.Request("b", "POST /x", "k", "another")) is None


def test_a_failure_is_not_kept(ledger: Ledger) -> None:
    kept, asked = Idempotency(ledger), idempotency.Request("a", "POST /x", "k", "digest")
    kept.begin(asked)
    kept.end(asked, Answer(503, b"{}", "application/json"))
    assert kept.begin(asked) is None


# Intake


def zipped(names: list[str]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, b"picture")
    stream.seek(0)
    return stream


def test_an_archive_without_pictures_leaves_nothing_behind(tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path / "uploads"))
    with pytest.raises(UsageError):
        take_archive(io.BytesIO(b"PK\3\4 not a zip"), uploads, load(), most=5)
    with pytest.raises(UsageError):
        take_archive(zipped(["a.txt"]), uploads, load(), most=5)
    with pytest.raises(LimitExceeded):
        take_archive(zipped([f"{number}.png" for number in range(6)]), uploads, load(), most=5)
    assert list((tmp_path / "uploads").iterdir()) == []


@given(st.text())
def test_a_strangers_file_name_is_one_printable_part(name: str) -> None:
    cleaned = clean_name(name)
    assert cleaned.isprintable() and "/" not in cleaned and "\\" not in cleaned and 0 < len(cleaned) <= 200


def test_uploads_never_leave_their_folder(tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path / "uploads"))
    uploads.put("../../outside", io.BytesIO(b"x"))
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["outside"]


def test_uploads_work_on_any_file_system() -> None:
    uploads = Uploads("memory://filigrane-test")
    uploads.put("a.zip", io.BytesIO(b"content"))
    with uploads.local("a.zip") as path:
        assert path.read_bytes() == b"content"
    uploads.remove("a.zip")
    with pytest.raises(FiligraneError), uploads.local("a.zip"):
        pass


# Reports


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.ED25519])
def test_a_report_that_was_changed_does_not_hold(tmp_path: Path, algorithm: Algorithm) -> None:
    home = load(home=tmp_path)
    init_keys(home, Holder("Newsroom"), algorithm=algorithm)
    signed = reports.sign({"verdict": "é", "n": 1.5}, home)
    checked = reports.check(json.dumps(signed).encode())
    assert checked.report == {"verdict": "é", "n": 1.5} and checked.signer == "Newsroom"
    for changed in (
        signed | {"report": {"verdict": "other"}},
        signed | {"payload": signed["protected"]},
        signed | {"signature": "AA"},
        signed | {"protected": "e30"},
    ):
        with pytest.raises(UsageError):
            reports.check(json.dumps(changed).encode())


def test_a_replay_may_round_otherwise_but_not_say_anything_else(tmp_path: Path) -> None:
    runtime = Runtime(load(home=tmp_path))

    def scanned(llr: float, label: Label = Label.INCONCLUSIVE) -> Scanned:
        evidence = Evidence("classifier", Finding.ABSENT, llr, "It looks so.", {"scores": [llr]})
        return Scanned("a.png", verdict=Verdict(label, 0.5, 0.5, "So.", (evidence,), (), "0", "0"))

    exact = to_record(scanned(1.24)) | {"replay": reports.replay(scanned(1.24), runtime)}
    for record in (exact, coarse(exact)):
        report = json.loads(json.dumps(reports.compose("", datetime.now(UTC), record)))
        assert reports.differences(report, scanned(1.25), runtime) == ()
        assert len(reports.differences(report, scanned(2.5), runtime)) == 1
        assert len(reports.differences(report, scanned(1.24, Label.LIKELY_AI), runtime)) == 1


def test_those_without_a_key_get_no_exact_numbers() -> None:
    details: dict[str, Json] = {"scores": [0.123], "family": "diffusion", "family_probability": 0.873}
    evidence = Evidence("classifier", Finding.PRESENT, 2.345, "It looks so.", details, 0.0123)
    scanned = Scanned("a.png", verdict=Verdict(Label.LIKELY_AI, 0.9123, 0.5, "So.", (evidence,), (), "0", "0"))
    told = coarse(to_record(scanned) | {"heatmap": {"crop_px": 64, "llr": [[0.26, -1.2], [3.74, 0.1]]}})
    assert told["heatmap"] == {"crop_px": 64, "llr": [[0.5, -1.0], [3.5, 0.0]]}
    item: Any = told["evidence"]
    assert item[0]["details"] == {"family": "diffusion"} and item[0]["llr"] == 2.5
    exact = ("0.123", "0.873", "2.345", "0.0123", "0.9123", "0.26", "3.74")
    assert not any(number in json.dumps(told) for number in exact)


@settings(max_examples=50)
@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text(), lambda v: st.dictionaries(st.text(), v)).map(str).map(str.encode)
)
def test_anything_else_is_no_report(data: bytes) -> None:
    with pytest.raises(UsageError):
        reports.check(data)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_manifest_store_stay_as_they_are_or_shrink(data: bytes) -> None:
    assert len(active_manifest(data)) <= max(len(data), 8)


def test_the_active_manifest_is_the_last_box() -> None:
    def box(kind: bytes, data: bytes) -> bytes:
        return (8 + len(data)).to_bytes(4, "big") + kind + data

    head, old, new = box(b"jumd", b"c2pa"), box(b"jumb", b"old"), box(b"jumb", b"new")
    assert active_manifest(box(b"jumb", head + old + new)) == box(b"jumb", head + new)
    assert active_manifest(box(b"jumb", head + new)) == box(b"jumb", head + new)


# Bodies


async def _through_limits(chunks: list[bytes], limit: int, pause_s: float = 5.0) -> list[str]:
    """What a body in chunks comes to: the status of what was raised while it was read."""
    raised: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:
        try:
            while (await receive()).get("more_body"):  # type: ignore[operator]
                pass
        except Exception as error:
            raised.append(str(getattr(error, "status_code", error)))

    parts = iter(chunks)

    async def receive() -> Message:
        part = next(parts, None)
        if part is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Message) -> None:
        raised.append(str(message.get("status", "")))

    async def most(request: object) -> int:
        return limit

    guard = BodyLimits(app, limit=most, pause_s=pause_s)
    await guard({"type": "http", "path": "/x", "headers": [], "method": "POST"}, receive, send)
    return raised


def test_a_body_that_grows_over_the_limit_is_cut_off() -> None:
    assert asyncio.run(_through_limits([b"12345", b"67890", b"!"], 10)) == ["413"]


def test_a_body_that_stalls_is_cut_off() -> None:
    assert asyncio.run(_through_limits([b"12345"], 10, pause_s=0.01)) == ["408"]


# Settings


def test_a_setting_that_is_none_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILIGRANE_SERVICE_ANONYMOUS_SCOPES", '["everything"]')
    with pytest.raises(UsageError, match="anonymous_scopes"):
        load_service()
