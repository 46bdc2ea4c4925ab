"""Any HTTP endpoint that answers a posted PNG with JSON; it is called because its address was given, and only there."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import urlsplit

import numpy as np

from filigrane.core.errors import UnreadableInput, UsageError
from filigrane.core.values import Pixels
from filigrane.eval.metrics import Float
from filigrane.eval.scorers._shared import hash_of, middle_of, png, scale_of

_MOST_ANSWER_BYTES = 2**20


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: pictures go to the address that was given and to no other."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Http:
    """Posts pictures to ``url``; ``field`` (dots lead inwards) holds the score in the answer."""

    def __init__(self, url: str, *, field: str = "score", scale: str = "score", timeout_s: float = 60.0) -> None:
        """Raises UsageError where ``url`` is no HTTP address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url!r} is no http or https address.")
        self.name = f"http {parts.hostname}"
        self.scale, self.threshold = scale_of(scale), middle_of(scale)
        self.hash = hash_of("http", url, field, scale)
        self._url, self._field, self._timeout_s = url, field.split("."), timeout_s
        self._opener = urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({}))

    def score(self, pictures: Sequence[Pixels]) -> Float:
        """The score of each picture; raises UnreadableInput where the endpoint gives none."""
        return np.array([self._ask(png(picture)) for picture in pictures], np.float64)

    def _ask(self, data: bytes) -> float:
        request = urllib.request.Request(self._url, data, {"Content-Type": "image/png"}, method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                value = json.loads(answer.read(_MOST_ANSWER_BYTES))
            for name in self._field:
                value = value[name]
            return float(value)
        except (OSError, HTTPException, ValueError, KeyError, TypeError, RecursionError) as error:
            where = ".".join(self._field)
            raise UnreadableInput(f"{self._url} gave no number in {where!r} ({error!r}).") from error


def build(target: str, *, field: str = "score", scale: str = "score", timeout_s: str = "60") -> Http:
    """The scorer that posts to the address ``target``."""
    return Http(target, field=field, scale=scale, timeout_s=float(timeout_s))
