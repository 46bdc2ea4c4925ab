"""Does a benchmark measure what it seems to? A probe that sees no pixel, and a search for pictures that leaked.

Most published detection scores measured the file format: with both classes re-saved alike they fell to chance. So
every evaluation also asks what a classifier reaches that sees only the container (Sieve, Dual Data Alignment and
others report the same trap), and whether test pictures were among those trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import MissingExtra
from filigrane.core.values import Row
from filigrane.eval.intervals import auc_interval
from filigrane.eval.metrics import Index, Labels
from filigrane.eval.traits import Traits
from filigrane.provenance.fingerprint import Look, compare, distance

LEAK = 0.6
"""A set leaks where the whole interval of the probe's AUC lies above this."""
FOLDS = 5
LEAST = 40
"""Pictures of each class, and groups, without which the probe says nothing."""
MOST_PROBED = 20_000
NEAR_BITS = 64
"""Fingerprints (256 bits) that differ in more are not looked at; unrelated pictures differ in about 128."""
_BANDS = 16
_MOST_IN_BUCKET = 50


def probe(traits: Sequence[Traits], labels: Labels, clusters: Index, *, seed: int = 0) -> Row:
    """AUC of a boosted classifier on container, size and metadata alone, cross-validated by group.

    A row without value where there are too few pictures. Raises MissingExtra without scikit-learn.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    except ImportError as error:
        raise MissingExtra("The shortcut probe", "evaluate") from error
    chosen = np.arange(len(labels))
    if len(chosen) > MOST_PROBED:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, MOST_PROBED, replace=False))
    labels, clusters = labels[chosen], clusters[chosen]
    if min(np.sum(labels == 1), np.sum(labels == 0)) < LEAST or len(np.unique(clusters)) < 2 * FOLDS:
        return Row(
            "probe_auc", None, None, None, len(labels), "check=container", f"needs at least {LEAST} of each class"
        )
    features = np.array([traits[int(i)].features for i in chosen])
    model = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=8, min_samples_leaf=10, class_weight="balanced", random_state=seed
    )
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, features, labels, groups=clusters, cv=folds, method="predict_proba")[:, 1]
    note = "sees only size, container and metadata"
    return Row("probe_auc", *auc_interval(labels, scores, clusters), len(labels), "check=container", note)


def leak_warning(row: Row) -> str | None:
    """The sentence that a report must begin with where the probe's ``row`` shows a leak; None where it shows none."""
    if row.value is None or row.low is None or row.high is None or row.low <= LEAK:
        return None
    return (
        f"This set leaks: a classifier that sees no pixel, only size, container and metadata, reaches AUC "
        f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}] on it. A detector's score here may measure file formats; "
        "re-save both classes alike, or judge by deliveries that do."
    )


@dataclass(frozen=True, slots=True)
class Known:
    """A picture as the search for duplicates knows it."""

    id: str
    sha256: str
    label: int
    traits: Traits


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that are the same bytes (``exact``) or look the same."""

    first: str
    second: str
    exact: bool


def contradictions(pictures: Sequence[Known]) -> tuple[Pair, ...]:
    """Pictures of the same bytes that are called real in one place and AI in another."""
    by_hash: dict[str, Known] = {}
    pairs = []
    for picture in pictures:
        other = by_hash.setdefault(picture.sha256, picture)
        if other.label != picture.label:
            pairs.append(Pair(other.id, picture.id, exact=True))
    return tuple(pairs)


def shared(train: Sequence[Known], test: Sequence[Known]) -> tuple[Pair, ...]:
    """Test pictures that are also in ``train``, byte for byte or by their look; one pair each."""
    hashes = {picture.sha256: picture.id for picture in train}
    pairs = [Pair(hashes[picture.sha256], picture.id, exact=True) for picture in test if picture.sha256 in hashes]
    found = {pair.second for pair in pairs}
    for known, picture in _candidates(train, test):
        if picture.id not in found and compare(picture.traits.look, known.traits.look).look is Look.SAME:
            found.add(picture.id)
            pairs.append(Pair(known.id, picture.id, exact=False))
    return tuple(pairs)


def _candidates(train: Sequence[Known], test: Sequence[Known]) -> Iterator[tuple[Known, Known]]:
    """Pairs whose fingerprints agree in one of sixteen parts and differ in few bits.

    Up to 15 differing bits always leave a part in agreement, more of them nearly always do.
    """
    if not train or not test:
        return
    ours, theirs = (_parts(pictures) for pictures in (train, test))
    tried: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        buckets: dict[int, list[int]] = defaultdict(list)
        for i, part in enumerate(ours[:, band].tolist()):
            if len(buckets[part]) < _MOST_IN_BUCKET:
                buckets[part].append(i)
        for j, part in enumerate(theirs[:, band].tolist()):
            for i in buckets.get(part, ()):
                if (i, j) not in tried:
                    tried.add((i, j))
                    if distance(train[i].traits.look.bits, test[j].traits.look.bits) <= NEAR_BITS:
                        yield train[i], test[j]


def _parts(pictures: Sequence[Known]) -> NDArray[np.uint16]:
    joined = b"".join(picture.traits.look.bits for picture in pictures)
    return np.frombuffer(joined, np.uint16).reshape(len(pictures), _BANDS)
