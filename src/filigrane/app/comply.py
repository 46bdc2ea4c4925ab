"""Comply: which marks and fields a law asks for, and which of them stand in each file of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files

from jinja2 import Environment, select_autoescape

from filigrane import __version__
from filigrane.app.comply_rules import PROFILES, Answer, Facts, Profile, State
from filigrane.app.inputs import Item, expand
from filigrane.app.mark import watermarker
from filigrane.app.runtime import Runtime
from filigrane.core.errors import FiligraneError, UnreadableInput, UsageError
from filigrane.core.image import decode
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Integrity, Json
from filigrane.detector.base import Context
from filigrane.provenance.disclosure import read_disclosure
from filigrane.provenance.mark import find_marks, load_marks
from filigrane.watermark.base import Watermarker


@dataclass(frozen=True, slots=True)
class Complied:
    """One file with the answer to every rule, or the sentence that says why it can't be read."""

    path: str
    sha256: str = ""
    answers: tuple[Answer, ...] = ()
    error: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The rules that are not met."""
        return tuple(answer.rule for answer in self.answers if answer.state is State.MISSING)


class Examiner:
    """Answers the rules of one profile; each worker process gets its own copy and keeps what it loads."""

    def __init__(self, settings: Settings, profile: str) -> None:
        self._settings = settings
        self._profile = profile

    @cached_property
    def _context(self) -> Context:
        runtime = Runtime(self._settings)
        return Context(runtime.policy, runtime.trust, self._settings.home, self._settings.registry_url)

    @cached_property
    def _watermarker(self) -> Watermarker:
        return watermarker(self._settings)

    def __call__(self, item: Item) -> Complied:
        """The answers for one file; raises FiligraneError where it can't be read."""
        settings, context = self._settings, self._context
        picture = decode(item.read(settings), origin=item.name, limits=settings.limits)
        manifest = context.manifest(picture)
        whole = manifest is not None and manifest.integrity is Integrity.INTACT
        reading = self._watermarker.read(picture.pixels)
        facts = Facts(
            manifest=manifest,
            disclosure=read_disclosure(picture.data, picture.format, context.trust) if whole else None,
            marks=find_marks(context.metadata(picture), load_marks()),
            reading=reading,
            issued=context.issued_mark(reading.payload) if reading.payload is not None else None,
        )
        return Complied(item.name, picture.sha256, PROFILES[self._profile].answers(facts))


def profile_named(name: str) -> Profile:
    """The profile called ``name``; UsageError with the known ones."""
    if name not in PROFILES:
        raise UsageError(f"There is no profile {name!r}; give one of {', '.join(PROFILES)}.")
    return PROFILES[name]


def examine(inputs: Iterable[str], profile: str, settings: Settings) -> Iterator[Complied]:
    """Every file behind ``inputs`` with its answers, as they are ready; one that can't be read tells its error.

    Raises UsageError for an unknown profile and for inputs that name nothing.
    """
    profile_named(profile)
    items = expand(inputs, max_bytes=settings.max_bytes)
    with GuardedPool(settings.worker_count, settings.memory_bytes, settings.timeout_s) as pool:
        for item, outcome in pool.map(Examiner(settings, profile), items):
            yield Complied(item.name, error=str(outcome)) if isinstance(outcome, FiligraneError) else outcome


def exit_code(complied: Iterable[Complied]) -> int:
    """0 where every rule is met, 1 where one is not, 3 where a file could not be read, which outranks that."""
    found = tuple(complied)
    if any(item.error for item in found):
        return UnreadableInput.exit_code
    return int(any(item.missing for item in found))


def to_json(complied: Iterable[Complied], profile: str) -> Json:
    """The report as JSON: profile, and every file with its answers."""
    return {
        "profile": profile,
        "title": profile_named(profile).title,
        "software": f"Filigrane {__version__}",
        "files": [{**asdict(item), "missing": list(item.missing)} for item in complied],
    }


def to_html(complied: Iterable[Complied], profile: str) -> str:
    """The report as one self-contained page."""
    environment = Environment(autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True)
    source = files("filigrane.app").joinpath("comply.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        title=profile_named(profile).title,
        files=tuple(complied),
        version=__version__,
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
