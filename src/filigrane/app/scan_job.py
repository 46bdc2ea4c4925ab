"""A scan of many pictures to one output: progress, journal and resuming, quarantine, and the code to exit with."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filigrane.app.formats import FOLDER, Format
from filigrane.app.inputs import Item, expand
from filigrane.app.journal import Journal
from filigrane.app.records import Record, to_record
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned, scan_items
from filigrane.app.scan_ray import scan_on_ray
from filigrane.core import plugins
from filigrane.core.errors import FiligraneError, UnreadableInput, UsageError
from filigrane.core.text import encodable
from filigrane.core.values import Json, Label, sha256_hex

SEVERITY = {Label.INCONCLUSIVE: 1, Label.LIKELY_AI: 2, Label.AI_GENERATED: 3}


@dataclass(frozen=True, slots=True)
class ScanJob:
    """What is asked: inputs, the form and place of the output, and what counts as a finding.

    ``output`` None writes to the stream given to `run`; ``fail_on`` is the weakest label that counts as a finding;
    ``engine`` is local (worker processes here) or ray (a cluster).
    """

    inputs: tuple[str, ...]
    format: str = "table"
    output: Path | None = None
    exclude: tuple[str, ...] = ()
    fail_on: Label | None = None
    resume: bool = False
    quarantine: Path | None = None
    show_personal: bool = False
    engine: str = "local"


ENGINES = {"local": scan_items, "ray": scan_on_ray}


@dataclass(slots=True)
class Tally:
    """What a scan came to so far."""

    done: int = 0
    findings: int = 0
    unreadable: int = 0

    def exit_code(self) -> int:
        """0 clean, 1 findings, 3 where inputs could not be read, which outranks findings."""
        return UnreadableInput.exit_code if self.unreadable else int(self.findings > 0)


def run(job: ScanJob, runtime: Runtime, stream: IO[bytes], progress: Callable[[Tally], None]) -> Tally:
    """Scan everything ``job`` names and write it; ``progress`` is told after every picture.

    A job with an output file can be killed at any time: its journal keeps what was finished and ``resume`` goes on.
    """
    _check(job)
    form: Format = plugins.load(FOLDER, job.format)
    tally, key = Tally(), _key(job, runtime)

    def tell(record: Record) -> None:
        _count(tally, job, record)
        progress(tally)

    if job.output is None:
        form.write(_records(job, runtime, form, tell=tell), stream)
        return tally
    with Journal(job.output, key=key, resume=job.resume) as journal:
        for _ in _records(job, runtime, form, tell=tell, journal=journal):
            pass
        tally = Tally()  # anew, because a picture that changed between two runs was told twice
        _write_whole(form, _counted(journal.records(), tally, job), job.output)
        journal.remove()
    return tally


def _check(job: ScanJob) -> None:
    """Raise UsageError for what can't work, before the first picture is looked at."""
    if job.engine not in ENGINES:
        raise UsageError(f"There is no engine {job.engine!r}; give one of {', '.join(ENGINES)}.")
    if job.resume and job.output is None:
        raise UsageError("--resume needs -o: without an output file there is no journal to go on with.")
    if job.output is not None and not job.output.parent.is_dir():
        raise UsageError(f"The folder {job.output.parent} of the output does not exist; make it first.")
    if job.output is not None and job.output.exists() and not job.output.is_file():
        raise UsageError(f"{job.output} is no file that could be replaced; name one with -o.")
    for text in job.inputs if job.quarantine is not None else ():
        if _is_within(text, job.quarantine):
            raise UsageError(f"{text} lies in the folder of the quarantine itself; give another --quarantine-dir.")


def _is_within(path: str, folder: Path | None) -> bool:
    place = Path(path).resolve()
    return folder is not None and folder.resolve() in (place, *place.parents)


def count(job: ScanJob, runtime: Runtime) -> int | None:
    """How many pictures ``job`` names; None where counting would use the inputs up: standard input, and lists."""
    if any(text == "-" or text.startswith("@") for text in job.inputs):
        return None
    return sum(1 for _ in expand(job.inputs, exclude=job.exclude, max_bytes=runtime.settings.max_bytes))


def _records(
    job: ScanJob, runtime: Runtime, form: Format, *, tell: Callable[[Record], None], journal: Journal | None = None
) -> Iterator[Record]:
    items = expand(job.inputs, exclude=job.exclude, max_bytes=runtime.settings.max_bytes)
    outside = items if job.quarantine is None else (i for i in items if not _is_within(i.path, job.quarantine))
    todo = outside if journal is None else _unfinished(outside, journal, tell)
    for item, scanned in ENGINES[job.engine](todo, runtime, thumbnail_px=form.thumbnail_px):
        record = to_record(scanned, show_personal=job.show_personal)
        target = _quarantine_target(job, scanned, item)
        if target is not None:
            record["quarantined_to"] = encodable(str(target))
        if journal is not None:
            journal.add(item.name, item.stamp(), record)
        if target is not None:
            _move(Path(item.path), target)
        tell(record)
        yield record


def _unfinished(items: Iterable[Item], journal: Journal, tell: Callable[[Record], None]) -> Iterator[Item]:
    """The items the journal does not have; what it has is told, and a move it announced but did not see is made."""
    for record in journal.records():
        tell(record)
        target = record.get("quarantined_to")
        if isinstance(target, str) and not Path(target).exists() and Path(str(record["path"])).exists():
            _move(Path(str(record["path"])), Path(target))
    yield from (item for item in items if not journal.has(item.name, item.stamp()))


def _counted(records: Iterable[Record], tally: Tally, job: ScanJob) -> Iterator[Record]:
    for record in records:
        _count(tally, job, record)
        yield record


def _count(tally: Tally, job: ScanJob, record: Record) -> None:
    tally.done += 1
    error, verdict = record["error"], record["verdict"]
    if error:
        tally.unreadable += 1
    elif isinstance(verdict, dict):
        tally.findings += _counts_as_finding(Label(str(verdict["label"])), job.fail_on)


def _counts_as_finding(label: Label, weakest: Label | None) -> bool:
    return weakest is not None and SEVERITY.get(label, 0) >= SEVERITY[weakest]


def _quarantine_target(job: ScanJob, scanned: Scanned, item: Item) -> Path | None:
    """Where the file of a finding is moved: a name of its own, so that nothing is overwritten."""
    if job.quarantine is None or scanned.verdict is None or item.member or item.data is not None:
        return None
    if not _counts_as_finding(scanned.verdict.label, job.fail_on or Label.LIKELY_AI):
        return None
    path = Path(item.path)
    names = itertools.chain([path.name], (f"{path.stem}-{number}{path.suffix}" for number in itertools.count(1)))
    return next(job.quarantine / name for name in names if not (job.quarantine / name).exists())


def _move(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    except OSError as error:
        raise FiligraneError(f"{path} could not be moved to {target} ({error}); it stays where it is.") from error


def _write_whole(form: Format, records: Iterable[Record], output: Path) -> None:
    """Write to a file beside ``output`` and put it in place in one step, so that no half report is ever seen."""
    draft = output.with_name(output.name + ".part")
    try:
        with draft.open("wb") as stream:
            form.write(records, stream)
        draft.replace(output)
    except OSError as error:
        raise FiligraneError(f"{output} can't be written ({error.strerror}); make room and give --resume.") from error
    finally:
        draft.unlink(missing_ok=True)


def _key(job: ScanJob, runtime: Runtime) -> str:
    """Names what makes two scans comparable: inputs, sources, policy, anchors, prior, limits, and what is shown."""
    settings, anchors = runtime.settings, runtime.trust.anchors + runtime.trust.local
    facts: Json = [
        [*job.inputs],
        [*job.exclude],
        sha256_hex(anchors.encode()),
        list(runtime.source_names),
        runtime.policy.hash,
        settings.prior,
        settings.latent_model,
        [settings.max_bytes, settings.max_pixels, settings.max_total_pixels],
        job.show_personal,
        job.format == "html",
        str(job.quarantine),
    ]
    return sha256_hex(json.dumps(facts).encode())[:16]
