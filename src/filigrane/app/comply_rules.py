"""What each law asks of one picture, and where in the file the answer stands.

The rules follow Article 50(2) of the EU AI Act with its Code of Practice of June 2026, the latent disclosure of
California SB 942, and China's GB 45438-2025 (TC260). They say what is in a file; they are no legal advice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from filigrane.core.values import Integrity, Manifest, Reading, Trust
from filigrane.detector.declared import declared
from filigrane.provenance import binding
from filigrane.provenance.manifest import DISCLOSURE_LABEL, Disclosure
from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.registry import IssuedMark
from filigrane.provenance.source_types import Generative


class State(StrEnum):
    """The answer to a rule; what no program can see is left to a person."""

    FOUND = "found"
    MISSING = "missing"
    NOT_NEEDED = "not_needed"
    BY_EYE = "by_eye"


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands in one file; ``issued`` is the registry's record of the mark that was read in the pixels."""

    manifest: Manifest | None
    disclosure: Disclosure | None
    marks: tuple[GeneratorMark, ...]
    reading: Reading
    issued: IssuedMark | None

    @property
    def whole(self) -> Manifest | None:
        """The manifest where its signature and the bytes hold."""
        manifest = self.manifest
        if manifest is None or manifest.integrity is not Integrity.INTACT:
            return None
        return manifest if manifest.trust not in (Trust.INVALID, Trust.REVOKED) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """One rule with its answer: its name, what it asks, the state, and in words which field or mark answers it."""

    rule: str
    asks: str
    state: State
    told: str


Check = Callable[[Facts], tuple[State, str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a law asks for, and how it is looked for."""

    name: str
    asks: str
    check: Check


@dataclass(frozen=True, slots=True)
class Profile:
    """A law with its rules."""

    title: str
    rules: tuple[Rule, ...]

    def answers(self, facts: Facts) -> tuple[Answer, ...]:
        """Every rule with its answer."""
        return tuple(Answer(rule.name, rule.asks, *rule.check(facts)) for rule in self.rules)


def _declared(facts: Facts) -> tuple[State, str]:
    manifest = facts.whole
    if manifest is not None and declared(manifest) is Generative.YES:
        kinds = ", ".join(uri.rpartition("/")[2] for uri in manifest.source_types)
        return State.FOUND, f"C2PA manifest, digitalSourceType {kinds}"
    for mark in facts.marks:
        if mark.explicit and mark.says is not Says.POSSIBLY:
            return State.FOUND, f"{mark.where} ({mark.tool}); unsigned, so anyone may have written it"
    return State.MISSING, "neither a manifest that holds nor metadata declare generative AI"


def _signed(facts: Facts) -> tuple[State, str]:
    if facts.manifest is None:
        return State.MISSING, "there is no C2PA manifest"
    if facts.whole is None:
        return State.MISSING, f"the manifest does not hold ({facts.manifest.integrity}, signer {facts.manifest.trust})"
    return (
        State.FOUND,
        f"C2PA manifest signed by {facts.manifest.signer or 'an unnamed signer'}, {facts.manifest.trust}",
    )


def _stamped(facts: Facts) -> tuple[State, str]:
    if facts.whole is not None and facts.whole.time_stamped:
        return State.FOUND, f"RFC 3161 time stamp in the signature, {facts.whole.signed_at:%Y-%m-%d %H:%M} UTC"
    return State.MISSING, "no trusted time stamp (setting timestamp_url names an authority for signing)"


def _watermarked(facts: Facts) -> tuple[State, str]:
    reading = facts.reading
    if reading.payload is None:
        return State.MISSING, "no mark that can be read here is in the pixels"
    return State.FOUND, f"mark {reading.payload:015x} in the pixels (false-positive rate {reading.p_value:.1g})"


def _traceable(facts: Facts) -> tuple[State, str]:
    number, manifest = facts.reading.payload, facts.whole
    if facts.issued is not None:
        stands = facts.issued.revoked is None
        return (State.FOUND, "registry record of the mark") if stands else (State.MISSING, "the mark was revoked")
    if number is not None and manifest is not None and binding.names(manifest.soft_bindings, number):
        return State.FOUND, "soft binding in the manifest names the mark in the pixels"
    return State.MISSING, "no registry record and no soft binding for a mark in the pixels"


def _inputs_kept(facts: Facts) -> tuple[State, str]:
    manifest = facts.whole
    if manifest is None:
        return State.MISSING, "no manifest that holds tells what went into the picture"
    if "c2pa.created" in manifest.actions and not manifest.ingredients:
        return State.NOT_NEEDED, "created from nothing else"
    if not manifest.ingredients:
        return State.MISSING, "the manifest says that a picture was changed, but does not hold it as an ingredient"
    kept = sum(item.manifest is not None for item in manifest.ingredients)
    return State.FOUND, f"{len(manifest.ingredients)} ingredients in the manifest, {kept} with manifests of their own"


def _disclosed(name: str, facts: Facts) -> Iterator[tuple[str, str]]:
    """Where the disclosure ``name`` may stand, surest first: our assertion, our registry, fields of any manifest."""
    if facts.whole is not None and facts.disclosure is not None:
        told, where = facts.disclosure, f"manifest, {DISCLOSURE_LABEL}"
        system, version = told.system.name, told.system.version
        yield _pick(name, told.provider, system, version, told.at.isoformat(), told.id), where
    if facts.issued is not None:
        record = facts.issued
        at = record.created_at.isoformat()
        yield _pick(name, record.provider, record.system, record.system_version, at, f"{record.id:015x}"), "registry"
    if facts.whole is not None:
        manifest = facts.whole
        system, version = _named((manifest.software_agents or (manifest.generator,))[0])
        at = manifest.signed_at.isoformat() if manifest.signed_at is not None else ""
        yield _pick(name, manifest.signer, system, version, at, manifest.label), "manifest"


def _named(agent: str) -> tuple[str, str]:
    """Name and version of a software agent, whose last word is its version only where that holds a digit.

    >>> _named("Brush 2.1"), _named("Adobe Firefly"), _named("SD3")
    (('Brush', '2.1'), ('Adobe Firefly', ''), ('SD3', ''))
    """
    name, _, last = agent.rpartition(" ")
    return (name, last) if name and any(map(str.isdecimal, last)) else (agent, "")


def _pick(name: str, *values: str) -> str:
    return dict(zip(("provider", "system", "version", "time", "id"), values, strict=True))[name]


def _field(name: str) -> Check:
    def check(facts: Facts) -> tuple[State, str]:
        for value, where in _disclosed(name, facts):
            if value:
                return State.FOUND, f"{where}: {value}"
        return State.MISSING, "neither manifest nor registry name it"

    return check


def _readable(facts: Facts) -> tuple[State, str]:
    if facts.reading.payload is not None and facts.issued is not None:
        return State.FOUND, "filigrane recover reads the mark and finds its record"
    if facts.whole is not None:
        return State.FOUND, "filigrane scan reads the manifest"
    return State.MISSING, "nothing in the file that the free tool could read"


def _label_field(name: str, needed: bool = True) -> Check:
    def check(facts: Facts) -> tuple[State, str]:
        label = next((mark for mark in facts.marks if {"ContentProducer", "ProduceID"} & mark.fields.keys()), None)
        otherwise = State.MISSING if needed else State.NOT_NEEDED
        if label is None:
            return otherwise, "the metadata hold no AIGC label"
        if value := label.fields.get(name, ""):
            return State.FOUND, f"{label.where}: {value}"
        return otherwise, f"empty in {label.where}"

    return check


def _visible(facts: Facts) -> tuple[State, str]:
    return State.BY_EYE, "look for words such as those of --badge; no program can vouch for what people notice"


EU_AI_ACT = Profile(
    "EU AI Act, Article 50(2), and its Code of Practice",
    (
        Rule("declared", "The picture says in a machine-readable form that AI made or changed it.", _declared),
        Rule("signed metadata", "First layer: metadata under a signature that holds.", _signed),
        Rule("time stamp", "First layer: a trusted authority vouches for the time of signing.", _stamped),
        Rule("watermark", "Second layer: an imperceptible mark in the picture itself.", _watermarked),
        Rule("traceable", "The mark leads to a record of where the picture comes from.", _traceable),
        Rule("inputs kept", "Marks of pictures that went in are kept.", _inputs_kept),
    ),
)
SB_942 = Profile(
    "California SB 942, latent disclosure",
    (
        Rule("provider", "The name of the provider.", _field("provider")),
        Rule("system", "The name of the AI system.", _field("system")),
        Rule("version", "The version of the AI system.", _field("version")),
        Rule("time", "Time and date of creation or change.", _field("time")),
        Rule("id", "A unique identifier.", _field("id")),
        Rule("detectable", "The provider's free tool can read the disclosure.", _readable),
        Rule("permanent", "The disclosure is hard to remove.", _watermarked),
    ),
)
TC_260 = Profile(
    "China GB 45438-2025 (TC260)",
    (
        Rule("label", "Implicit label: 1 generated, 2 possibly, 3 suspected.", _label_field("Label")),
        Rule("producer", "Implicit label: name or code of the service provider.", _label_field("ContentProducer")),
        Rule("produce id", "Implicit label: the provider's number for the content.", _label_field("ProduceID")),
        Rule(
            "propagator",
            "Implicit label: whoever spreads it adds their name.",
            _label_field("ContentPropagator", False),
        ),
        Rule("visible", "Explicit label: words on the picture, at least 5 % of its shorter side.", _visible),
    ),
)
PROFILES = MappingProxyType({"eu-ai-act": EU_AI_ACT, "sb942": SB_942, "tc260": TC_260})
"""The laws that there are rules for."""
