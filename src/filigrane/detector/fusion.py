"""Evidence in, one verdict out.

Statements that one tool writes together (manifest, metadata, watermark, camera data) are not independent: of those
only the strongest for and the strongest against count. Other sources add up. The label follows from the evidence
alone; the prior moves the probability, and can only hold an accusation back, never make one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from filigrane.core.values import Evidence, Finding, Label, Verdict
from filigrane.detector.conflicts import find_conflicts
from filigrane.detector.policy import Policy


def fuse(
    evidence: Iterable[Evidence], *, sha256: str, policy: Policy, prior: float = 0.5, depicts: bool = True
) -> Verdict:
    """The verdict on the picture ``sha256``; the order of ``evidence`` does not matter.

    ``prior`` is the share of AI pictures expected before looking (0 to 1, exclusive); ``depicts`` is False for a
    picture with nothing on it, of which only declared marks can speak.
    """
    ordered = tuple(sorted(evidence, key=lambda item: (item.source, item.finding, item.llr, item.summary)))
    llr = total_llr(ordered, policy)
    probability = 0.5 + 0.5 * math.tanh((math.log(prior) - math.log1p(-prior) + llr) / 2)
    label = _label(ordered, llr, probability, policy)
    declared = any(item.source in policy.declared and item.llr != 0 for item in ordered)
    if not depicts and not declared:
        label = Label.NOT_APPLICABLE
    return Verdict(
        label=label,
        probability=probability,
        prior=prior,
        summary=_summary(label, ordered),
        evidence=ordered,
        conflicts=tuple(found.sentence for found in find_conflicts(ordered, weight=policy.thresholds["conflict"])),
        sha256=sha256,
        policy_hash=policy.hash,
        # What is not declared was measured, by a model that names itself.
        model_hash=next((str(e.details["model"]) for e in ordered if _measured(e, policy)), ""),
    )


def _measured(item: Evidence, policy: Policy) -> bool:
    return item.source not in policy.declared and "model" in item.details


def total_llr(evidence: Iterable[Evidence], policy: Policy) -> float:
    """Log-likelihood ratio of all evidence together, in nats, capped at the policy's ``cap``."""
    declared_for = declared_against = independent = 0.0
    for item in evidence:
        if item.source not in policy.declared:
            independent += item.llr
        elif item.llr > 0:
            declared_for = max(declared_for, item.llr)
        else:
            declared_against = min(declared_against, item.llr)
    return max(-policy.cap, min(policy.cap, declared_for + declared_against + independent))


def _label(evidence: tuple[Evidence, ...], llr: float, probability: float, policy: Policy) -> Label:
    limits = policy.thresholds
    decisive = any(
        item.source in policy.decisive and item.finding is Finding.PRESENT and item.llr >= limits["likely_ai"]
        for item in evidence
    )
    if llr >= limits["likely_ai"] and probability < 0.5:
        return Label.INCONCLUSIVE
    # A detector that sees nothing does not take back what the picture says of itself.
    said = total_llr((item for item in evidence if item.source in policy.declared), policy)
    if decisive and max(llr, said) >= limits["ai_generated"]:
        return Label.AI_GENERATED
    if llr >= limits["likely_ai"]:
        return Label.LIKELY_AI
    if llr <= limits["authentic_provenance"]:
        return Label.AUTHENTIC_PROVENANCE
    doubtful = any(item.finding is Finding.INVALID for item in evidence)
    contradicted = any(item.llr >= limits["likely_ai"] for item in evidence)
    if doubtful or contradicted or llr >= limits["inconclusive"]:
        return Label.INCONCLUSIVE
    return Label.NO_EVIDENCE_OF_AI


def _summary(label: Label, evidence: tuple[Evidence, ...]) -> str:
    strongest_for = max(evidence, key=lambda item: item.llr, default=None)
    strongest_against = min(evidence, key=lambda item: item.llr, default=None)
    if label in (Label.AI_GENERATED, Label.LIKELY_AI) and strongest_for:
        opening = "Generated or edited by AI" if label is Label.AI_GENERATED else "Probably generated or edited by AI"
        return f"{opening}: {strongest_for.summary}"
    if label is Label.AUTHENTIC_PROVENANCE and strongest_against:
        return f"A trusted signature vouches for the origin: {strongest_against.summary}"
    if label is Label.NOT_APPLICABLE:
        return "There is nothing on this picture that could be judged."
    if label is Label.INCONCLUSIVE:
        invalid = next((item for item in evidence if item.finding is Finding.INVALID), None)
        spoken = invalid or strongest_for
        return f"The evidence does not settle it: {spoken.summary}" if spoken else "The evidence does not settle it."
    found = " ".join(item.summary for item in evidence if item.finding is Finding.PRESENT)
    if found:
        return f"What was found does not speak of AI, which does not prove a human origin: {found}"
    asked = [item.source for item in evidence if item.finding is not Finding.UNAVAILABLE]
    return (
        f"No sign of AI was found ({', '.join(asked) or 'no source could be asked'}); "
        "this does not prove a human origin, since marks can be removed."
    )
