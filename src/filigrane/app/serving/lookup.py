"""The Soft Binding Resolution API of C2PA, as use cases: from a mark or a picture to manifests, and back.

What was marked here answers from the registry, where nothing is ever lost; manifests and bindings that others hand in
lie in the service's own database and can be taken back. Hostile bytes are parsed in a guarded worker.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Self

import sqlalchemy as sa

from filigrane.app.mark import watermarker
from filigrane.app.recover import Recovered, Recoverer
from filigrane.app.serving import tables
from filigrane.app.serving.line import Line
from filigrane.app.serving.tables import Ledger, now, utc
from filigrane.core.errors import FiligraneError, NotFound, UnreadableInput, UsageError
from filigrane.core.image import decode
from filigrane.core.parallel import GuardedPool
from filigrane.core.settings import Settings
from filigrane.core.values import Manifest, Picture, Trust
from filigrane.provenance import binding, trust
from filigrane.provenance.read import read_store
from filigrane.provenance.registry import IssuedMark, Registry

WATERMARKS = (binding.ALGORITHM,)
"""Names of the soft-binding algorithms that can be read from a picture here."""
_HEADER_BYTES = 8
_WAITING = 16
_MARK = re.compile(r"[0-9a-fA-F]{1,15}")


class Conflict(FiligraneError):
    """The thing exists already, or belongs to somebody else."""

    http_status = 409


@dataclass(frozen=True, slots=True)
class Match:
    """A manifest that answers a query; ``similarity`` 0 to 100 where looks were compared."""

    manifest_id: str
    similarity: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A manifest store with the id it is found by, when it came (UTC), and whether it was marked here."""

    id: str
    store: bytes
    created_at: datetime
    issued_here: bool
    revoked: str = ""


class Lookup:
    """Answers by binding, by content and by id; takes what others publish."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._registry = Registry.open(settings.home, settings.registry_url)
        self._recover = Recoverer(self._registry, watermarker(settings), trust.load(settings.home))
        self._pool = GuardedPool(1, settings.memory_bytes, settings.timeout_s)
        self._lock = threading.Lock()
        self._line = Line(_WAITING, seconds_each=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker and close the registry."""
        with self._lock:
            self._pool.close()
        self._registry.close()

    def by_binding(self, alg: str, value: str, *, limit: int = 10) -> tuple[Match, ...]:
        """Manifests bound to the ``value`` (base64) of ``alg``; UsageError where it is not base64."""
        text, found = _decoded(value), []
        if alg == binding.ALGORITHM and (number := binding.from_value(text)) is not None:
            mark = self._registry.find(number)
            found += [Match(mark.manifest_id)] if mark is not None else []
        table = tables.bindings
        query = sa.select(table.c.manifest).where(table.c.alg == alg, table.c.value == text)
        with self._ledger.reading() as connection:
            found += [Match(id) for id in connection.scalars(query.order_by(table.c.created_at).limit(limit))]
        return tuple(found[:limit])

    def by_content(self, data: bytes, *, alg: str = "", limit: int = 10) -> tuple[Match, ...]:
        """Manifests of the picture in ``data``, by its bytes, its mark or its look. Raises UnreadableInput."""
        if alg and alg not in WATERMARKS:
            raise UsageError(f"{alg[:100]!r} can't be read here; known are: {', '.join(WATERMARKS)}.")
        recovered = self.recover(data)
        if recovered.mark is None or not recovered.found:
            return ()
        likeness = recovered.similarity
        score = 100 if likeness is None else max(0, round(100 * likeness.score))
        return (Match(recovered.mark.manifest_id, min(100, score)),)[:limit]

    def recover(self, data: bytes) -> Recovered:
        """The manifest of the picture in ``data``, or why there is none, in words.

        One picture at a time. Raises UnreadableInput, and Busy where too many wait.
        """
        with self._line.place(), self._lock:
            picture = self._pool.run(partial(_picture, self._settings), data)
            if isinstance(picture, FiligraneError):
                raise picture
            return self._recover(picture)

    def mark(self, text: str) -> IssuedMark | None:
        """The mark that ``text`` names by its number (hexadecimal) or by the id of its manifest, or None."""
        if number := _MARK.fullmatch(text):
            return self._registry.find(int(number[0], 16))
        return self._registry.find_by_manifest(text)

    def manifest(self, id: str) -> Stored | None:
        """The manifest with this id, or None."""
        if mark := self._registry.find_by_manifest(id):
            revoked = mark.revoked.reason if mark.revoked is not None else ""
            return Stored(id, mark.manifest, mark.created_at, True, revoked)
        with self._ledger.reading() as connection:
            row = connection.execute(sa.select(tables.manifests).where(tables.manifests.c.id == id)).first()
        return Stored(row.id, row.store, utc(row.created_at), False) if row is not None else None

    def publish(self, store: bytes, owner: str) -> Stored:
        """Keep a manifest store that ``owner`` hands in, under the label of its active manifest, with its bindings.

        Bindings of our own algorithm are passed over: numbers that another installation issued mean nothing here.
        Raises UnreadableInput for bytes that are no manifest, Conflict for an id that is taken by other bytes.
        """
        with self._lock:
            manifest = self._pool.run(partial(_read, self._settings), store)
        if isinstance(manifest, FiligraneError):
            raise manifest
        if manifest is None or not manifest.label or manifest.trust is Trust.INVALID:
            raise UnreadableInput("These bytes are no C2PA manifest store with a whole signature.")
        here = self.manifest(manifest.label)
        if here is not None and here.store == store:
            return here
        made = Stored(manifest.label, store, now(), False)
        row = {"id": made.id, "owner": owner, "store": store, "created_at": made.created_at}
        bound = [pair for pair in manifest.soft_bindings if pair[0] != binding.ALGORITHM]
        with self._ledger.writing() as connection:
            if here is not None or not connection.execute(self._ledger.insert_new(tables.manifests), row).rowcount:
                raise Conflict(f"The id {made.id} belongs to another manifest.")
            for alg, value in bound:
                connection.execute(self._ledger.insert_new(tables.bindings), _bound(made.id, alg, value))
        return made

    def withdraw(self, id: str, owner: str) -> None:
        """Take back a manifest that ``owner`` handed in; NotFound for any other, those issued here among them."""
        mine = (tables.manifests.c.id == id) & (tables.manifests.c.owner == owner)
        with self._ledger.writing() as connection:
            if not connection.execute(tables.manifests.delete().where(mine)).rowcount:
                raise NotFound(f"You have published no manifest {id[:200]!r}.")
            connection.execute(tables.bindings.delete().where(tables.bindings.c.manifest == id))

    def bind(self, id: str, alg: str, value: str, *, owner: str, replace: bool = False) -> None:
        """Bind the ``value`` (base64) of ``alg`` to a manifest that ``owner`` handed in; ``replace`` drops others.

        Raises NotFound for a manifest that is not theirs, UsageError for our own algorithm, whose marks are issued.
        """
        if alg == binding.ALGORITHM:
            raise UsageError(f"Marks of {alg} are issued by marking a picture; they can't be bound by hand.")
        row = _bound(id, alg, _decoded(value))
        with self._ledger.reading() as connection:
            holder = connection.scalar(sa.select(tables.manifests.c.owner).where(tables.manifests.c.id == id))
        if holder != owner:
            raise NotFound(f"You have published no manifest {id[:200]!r}; publish it before binding to it.")
        others = (tables.bindings.c.manifest == id) & (tables.bindings.c.alg == alg)
        with self._ledger.writing() as connection:
            if replace:
                connection.execute(tables.bindings.delete().where(others))
            connection.execute(self._ledger.insert_new(tables.bindings), row)


def active_manifest(store: bytes) -> bytes:
    """A store that holds only the active manifest of ``store``, its last one (C2PA 2.4, section on JUMBF boxes).

    >>> active_manifest(b"not a store")
    b'not a store'
    """
    children, at = [], _HEADER_BYTES
    while at + _HEADER_BYTES <= len(store):
        size = int.from_bytes(store[at : at + 4], "big")
        if size < _HEADER_BYTES or at + size > len(store):
            return store
        children.append(store[at : at + size])
        at += size
    if store[4:8] != b"jumb" or at != len(store) or len(children) < 3:
        return store
    kept = children[0] + children[-1]
    return (_HEADER_BYTES + len(kept)).to_bytes(4, "big") + b"jumb" + kept


def _bound(manifest: str, alg: str, value: str) -> dict[str, object]:
    """A row of the table of bindings."""
    return {"alg": alg, "value": value, "manifest": manifest, "created_at": now()}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise UsageError("The value of a binding is given in base64 of its text.") from error


def _picture(settings: Settings, data: bytes) -> Picture:
    return decode(data, limits=settings.limits)


def _read(settings: Settings, store: bytes) -> Manifest | None:
    return read_store(store, trust.load(settings.home))
