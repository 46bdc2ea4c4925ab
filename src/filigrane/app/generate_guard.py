"""The gate before and after sampling: the guard's decision on words and picture, and a line of audit for each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from filigrane.core.errors import UsageError
from filigrane.core.settings import Settings
from filigrane.core.values import Json, Pixels, sha256_hex
from filigrane.generator.guard import Action, Decision, Guard, Match, Refused, load_policy
from filigrane.generator.safety import PictureCheck, SafetyChecker

AUDIT_FILE = "guard.jsonl"


class Gate:
    """Lets requests and pictures pass, or raises Refused.

    Each decision is a line of JSON in ``audit``: time, what was judged (the words as a hash), action, and of each match
    category, rule and reason.
    """

    def __init__(self, guard: Guard, audit: Path, check: PictureCheck | None = None) -> None:
        self._guard = guard
        self._audit = audit
        self._check = check

    @classmethod
    def open(cls, settings: Settings, *, policy: Path | None = None, checker: Path | None = None) -> Gate:
        """With the shipped policy and the operator's own ``policy``, and the safety checker in a folder, if any."""
        check = SafetyChecker(checker) if checker is not None else None
        return cls(Guard(load_policy(policy)), settings.home / AUDIT_FILE, check)

    def admit(self, prompt: str) -> Decision:
        """The decision on ``prompt``; raises Refused where it is to block, UsageError for an empty or overlong one."""
        if not prompt.strip():
            raise UsageError("There is no prompt; say what to draw.")
        decision = self._guard.judge(prompt)
        self._write("prompt", sha256_hex(prompt.encode()), decision)
        if decision.action is Action.BLOCK:
            raise Refused(decision)
        return decision

    def admit_picture(self, pixels: Pixels) -> None:
        """Pass where there is no checker or it sees nothing; raises Refused."""
        if self._check is None:
            return
        reason = self._check.problem(pixels)
        matches = (Match("picture", "safety_checker", Action.BLOCK, reason, ()),) if reason else ()
        decision = Decision(Action.BLOCK if reason else Action.ALLOW, matches, type(self._check).__name__)
        self._write("picture", sha256_hex(pixels.tobytes()), decision)
        if reason:
            raise Refused(decision)

    def _write(self, kind: str, digest: str, decision: Decision) -> None:
        line: Mapping[str, Json] = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "kind": kind,
            "sha256": digest,
            "action": decision.action.value,
            "matches": [
                {"category": match.category, "rule": match.rule, "reason": match.reason} for match in decision.matches
            ],
            "policy": decision.policy,
        }
        try:
            self._audit.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._audit, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise UsageError(f"The guard's audit {self._audit} can't be written ({error.strerror}).") from error
