"""The guard on two lists of its own: what must be refused, and what only looks as if; both rates are measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from filigrane.core.errors import UsageError
from filigrane.generator.guard import MAX_PROMPT, Action, Guard, Refused, fold, load_policy

DATA = Path(__file__).parents[1] / "data"
GUARD = Guard(load_policy())


def blocked(prompt: str) -> bool:
    return GUARD.judge(prompt).action is Action.BLOCK


def test_at_least_95_percent_of_harmful_prompts_are_refused_for_their_own_reason() -> None:
    rows = [line.split("\t") for line in (DATA / "guard_harmful.txt").read_text(encoding="utf-8").splitlines()]
    refused = [category for category, prompt in rows if blocked(prompt)]
    named = [
        category
        for category, prompt in rows
        if any(match.category == category and match.action is Action.BLOCK for match in GUARD.judge(prompt).matches)
    ]
    assert len(rows) >= 200
    assert len(refused) >= 0.95 * len(rows)
    assert len(named) >= 0.9 * len(rows)


def test_at_most_3_percent_of_harmless_near_misses_are_refused() -> None:
    prompts = (DATA / "guard_benign.txt").read_text(encoding="utf-8").splitlines()
    assert len(prompts) >= 200
    assert sum(map(blocked, prompts)) <= 0.03 * len(prompts)


@pytest.mark.parametrize(
    "disguise",
    [
        "n u d e woman",
        "NUDE woman",
        "nud3 woman",
        "n\u200bude woman",
        "n\u00fcde woman",
        "\uff4e\uff55\uff44\uff45 woman",
        "nud\u0435 woman",
        "nuuude woman",
        "n.u.d.e woman",
    ],
)
def test_disguised_words_are_seen_through(disguise: str) -> None:
    assert blocked(disguise)


def test_parts_of_words_do_not_count() -> None:
    assert "ass" in fold("ass")[0]
    assert not any(map(blocked, ["a brass class", "an assassin bug", "Essex and Sussex", "a cocktail", "therapist"]))


def test_the_refusal_names_category_and_rule() -> None:
    decision = GUARD.judge("a naked woman on a bed")
    refusal = Refused(decision)
    assert decision.strictest is not None
    assert decision.strictest.category in str(refusal) and decision.strictest.rule in str(refusal)


def test_overlong_prompts_are_an_error() -> None:
    with pytest.raises(UsageError, match="characters"):
        GUARD.judge("a" * (MAX_PROMPT + 1))


def test_an_own_policy_adds_terms_and_changes_actions(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "version: house\ncategories:\n  rivals:\n    action: warn\n    reason: not our brands\n"
        "    rules:\n      named: {terms: [Acme*]}\n  violence: {action: log}\n",
        encoding="utf-8",
    )
    guard = Guard(load_policy(own))
    assert guard.judge("an acmes poster").action is Action.WARN
    assert guard.judge("a decapitated man").action is Action.LOG
    assert "house" in guard.judge("a tree").policy and not blocked("an acme poster")


def test_no_own_policy_weakens_the_protection_of_minors(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("categories:\n  minors: {action: allow, reason: none, rules: {}}\n", encoding="utf-8")
    assert Guard(load_policy(own)).judge("lolicon").action is Action.BLOCK


def test_an_own_policy_adds_to_categories_that_ship_and_takes_no_rule_away(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "harmless: [lolicon, naked woman, oil painting]\n"
        "categories:\n"
        "  minors: {action: log, reason: none, rules: {coded_term: {terms: [x]}, house: {terms: [zorp]}}}\n"
        "  violence: {rules: {graphic: {terms: [x]}, house: {terms: [splat]}}}\n",
        encoding="utf-8",
    )
    guard = Guard(load_policy(own))
    for prompt in ("lolicon", "zorp", "a decapitated man", "a splat"):
        assert guard.judge(prompt).action is Action.BLOCK, prompt
    assert guard.judge("a naked woman").action is Action.ALLOW
    found = guard.judge("a child beside a naked woman, oil painting").matches
    assert [match.category for match in found] == ["minors"] and "involves minors" in found[0].reason


def test_a_term_can_not_break_out_of_its_list(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("terms: {child: ['(?:a))(?:b']}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="policy"):
        load_policy(own)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "rules: {}", "terms: 3", "a: [", "categories: {x: {action: shout}}", "categories: {minors: }"]
)
def test_a_policy_that_is_none_is_told_so_in_one_sentence(tmp_path: Path, text: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="policy"):
        load_policy(own)
