"""The guard before generation: what a prompt asks for, against a policy of terms, with a reason for every refusal.

A list of terms is a coarse net. It errs where a sentence says something harmful in harmless words, and the policy's
``harmless`` phrases exist because it erred the other way; both rates are measured in the tests. The second stage, on
the picture, is `filigrane.generator.safety`.

Before matching, a prompt is folded: compatibility forms (Unicode NFKC), accents, letters that look Latin (Unicode
Technical Standard 39, "confusables"), invisible characters, digits in place of letters, spaced-out and repeated
letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from filigrane.core.errors import UsageError
from filigrane.core.values import sha256_hex

ALWAYS = "minors"
"""The category that no policy of an operator can weaken."""
MAX_PROMPT = 10_000

_LOOKALIKES = str.maketrans(
    "аеорсухіјѕһԁԛԝвкмнтгзпьβαεοικνρτυχσηγωδλμ№ıłøđðßæœ\u0131",
    "aeopcyxijshdqwbkmhtr3nbbaeoiknptuxonywdlmniloddsaoi",
)
_DIGITS = str.maketrans("013457@$!|€", "oleastasile")
_LETTER = re.compile(r"[^\W\d_]")
_DIGITS_I = str.maketrans("013457@$!|€", "oieastasiie")


class Action(StrEnum):
    """What is done about a match, mildest first."""

    ALLOW = "allow"
    LOG = "log"
    WARN = "warn"
    BLOCK = "block"

    @property
    def weight(self) -> int:
        """Position in the order of severity."""
        return list(Action).index(self)


@dataclass(frozen=True, slots=True)
class Match:
    """One rule that a prompt meets: category, rule, action, the reason in words, and the terms found."""

    category: str
    rule: str
    action: Action
    reason: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the guard says: the strictest action of all matches, and the policy (version and hash) that says so."""

    action: Action
    matches: tuple[Match, ...]
    policy: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each match that warns."""
        return tuple(
            f"The guard warns: {match.reason} (category {match.category}, rule {match.rule})."
            for match in self.matches
            if match.action is Action.WARN
        )

    @property
    def strictest(self) -> Match | None:
        """The match that decided, or None."""
        return max(self.matches, key=lambda match: match.action.weight, default=None)


class Refused(UsageError):
    """The guard refused the request; ``decision`` names category and rule."""

    def __init__(self, decision: Decision) -> None:
        match = decision.strictest
        told = f"{match.reason} (category {match.category}, rule {match.rule})" if match else "no reason is known"
        super().__init__(f"The request was refused: {told}; say it another way if this is a misunderstanding.")
        self.decision = decision

    def __reduce__(self) -> tuple[type[Refused], tuple[Decision]]:
        return type(self), (self.decision,)


@dataclass(frozen=True, slots=True)
class _Rule:
    category: str
    name: str
    action: Action
    reason: str
    needed: tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """Rules compiled from a policy file, with the name (version and hash) that decisions carry.

    ``harmless`` are the phrases that ship, the only ones that the rules of `ALWAYS` know; ``spared`` has the operator's
    own too.
    """

    name: str
    rules: tuple[_Rule, ...]
    harmless: re.Pattern[str]
    spared: re.Pattern[str]


class Guard:
    """Judges prompts by one policy."""

    def __init__(self, policy: GuardPolicy) -> None:
        self._policy = policy

    def judge(self, prompt: str) -> Decision:
        """What the policy says of ``prompt``; UsageError for one longer than MAX_PROMPT characters."""
        if len(prompt) > MAX_PROMPT:
            raise UsageError(f"A prompt has up to {MAX_PROMPT} characters; {len(prompt)} were given.")
        policy, folded = self._policy, fold(prompt)
        strict, usual = (
            tuple(spared.sub(" ; ", text) for text in folded) for spared in (policy.harmless, policy.spared)
        )
        found = (_match(rule, strict if rule.category == ALWAYS else usual) for rule in policy.rules)
        matches = [match for match in found if match is not None]
        action = max((match.action for match in matches), key=lambda item: item.weight, default=Action.ALLOW)
        return Decision(action, tuple(matches), policy.name)


def load_policy(own: Path | None = None) -> GuardPolicy:
    """The policy that ships, with the additions and changes of the operator's ``own`` file.

    An own file may hold ``terms``, ``categories`` and ``harmless`` in the same form: lists of the same name grow, and
    categories of the same name gain its rules and take its action and reason. `ALWAYS` gains rules only, and no phrase
    of the operator's is harmless to it. Raises UsageError where the file is not a policy.
    """
    shipped = yaml.safe_load(_shipped())
    if own is None:
        return _parsed(shipped, "the shipped policy")
    try:
        added = yaml.safe_load(own.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"The policy {own} can't be used ({' '.join(str(error).split())[:120]}).") from error
    if not isinstance(added, dict) or not set(added) <= set(shipped):
        raise UsageError(f"The policy {own} may hold only {', '.join(shipped)}.")
    return _parsed(_merged(shipped, added, str(own)), str(own))


def fold(text: str) -> tuple[str, ...]:
    """``text`` as words that can be compared: lower case, plain Latin letters, single spaces; in several readings.

    >>> fold("C\u0430f\u00e9  n\u00b02")[0]
    'cafe n 2'
    >>> fold("n.u.d.e")[0], "nude" in fold("nud3")
    ('nude ude', True)
    """
    plain = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    plain = plain.casefold().translate(_LOOKALIKES)
    plain = "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))
    readings = (plain, _with_digits_read(plain, _DIGITS), _with_digits_read(plain, _DIGITS_I))
    return tuple(dict.fromkeys(_words(reading) for reading in readings))


def _with_digits_read(text: str, table: Mapping[int, int]) -> str:
    """Digits and signs read as the letters they stand for, in words that have letters too."""
    return re.sub(r"\S+", lambda word: word[0].translate(table) if _LETTER.search(word[0]) else word[0], text)


def _words(text: str) -> str:
    words = " ".join(re.findall(r"[^\W_]+", text))
    words = re.sub(r"\b(?:\w ){2,}\w\b", _joined, words)
    return re.sub(r"\b(\w)\1+\b|([^\W\d])\2{2,}", lambda run: run[0] if run[1] else run[2], words)


def _joined(run: re.Match[str]) -> str:
    """Spaced-out letters as one word, once with the first as an article of its own: "a n u d e"."""
    letters = run[0].replace(" ", "")
    return f"{letters} {letters[1:]}"


def _match(rule: _Rule, readings: tuple[str, ...]) -> Match | None:
    """The rule's match in the first reading that meets all it needs."""
    for text in readings:
        found = [pattern.search(text) for pattern in rule.needed]
        if all(found):
            terms = tuple(item[0] for item in found if item)
            return Match(rule.category, rule.name, rule.action, rule.reason, terms)
    return None


@cache
def _shipped() -> str:
    return files("filigrane.generator").joinpath("policy.yaml").read_text(encoding="utf-8")


def _merged(shipped: dict[str, Any], added: dict[str, Any], where: str) -> dict[str, Any]:
    """The shipped policy with an operator's additions, which take no rule of it away."""
    try:
        terms = {
            name: [*shipped["terms"].get(name, ()), *added.get("terms", {}).get(name, ())]
            for name in shipped["terms"] | added.get("terms", {})
        }
        categories = dict(shipped["categories"])
        for name, told in added.get("categories", {}).items():
            known = categories.get(name, told)
            changed = known if name == ALWAYS else known | told
            categories[name] = changed | {"rules": {**told.get("rules", {}), **known["rules"]}}
        return {
            "version": f"{shipped['version']} + {added.get('version', Path(where).name)}",
            "harmless": shipped["harmless"],
            "own_harmless": [*added.get("harmless", ())],
            "terms": terms,
            "categories": categories,
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"The policy {where} is not laid out like the shipped one ({error!r}).") from error


def _parsed(raw: Mapping[str, Any], where: str) -> GuardPolicy:
    try:
        lists = {name: _pattern(terms) for name, terms in raw["terms"].items()}
        rules = tuple(
            _rule(category, told, name, needs, lists)
            for category, told in raw["categories"].items()
            for name, needs in told["rules"].items()
        )
        name = f"{raw['version']} ({sha256_hex(yaml.safe_dump(dict(raw)).encode())[:12]})"
        harmless = raw["harmless"]
        return GuardPolicy(name, rules, _pattern(harmless), _pattern([*harmless, *raw.get("own_harmless", ())]))
    except (KeyError, TypeError, AttributeError, ValueError, re.error) as error:
        raise UsageError(
            f"The policy in {where} is not usable ({error!r}); compare it with the shipped one."
        ) from error


def _rule(
    category: str, told: Mapping[str, Any], name: str, needs: Mapping[str, Any], lists: Mapping[str, re.Pattern[str]]
) -> _Rule:
    if "terms" in needs:
        needed: tuple[re.Pattern[str], ...] = (_pattern(needs["terms"]),)
    elif "all" in needs:
        needed = tuple(lists[item] for item in needs["all"])
    else:
        needed = (re.compile("|".join(lists[item].pattern for item in needs["any"])),)
    action = Action.BLOCK if category == ALWAYS else Action(told["action"])
    return _Rule(category, name, action, str(told["reason"]), needed)


def _pattern(terms: Iterable[str]) -> re.Pattern[str]:
    """One expression for whole words and phrases; ``*`` at the end of a word stands for any ending."""
    forms = "|".join(_form(str(term)) for term in sorted(set(map(str, terms)), key=len, reverse=True))
    return re.compile(rf"\b(?:{forms})\b" if forms else r"(?!)")


def _form(term: str) -> str:
    if term.startswith("(?:"):  # a small pattern of numbers and words, only for ages
        return re.compile(term).pattern
    folded = fold(term.replace("*", ""))[0]
    return re.escape(folded) + (r"\w*" if term.endswith("*") else "")
