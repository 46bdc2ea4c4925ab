"""The text in which AUTOMATIC1111 and its many kin write down a generation.

Prompt, ``Negative prompt: …``, then one line ``Steps: 20, Sampler: …, Seed: …``, values with commas in double quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import MAX_FIELDS, MAX_TEXT_CHARS, as_integer

_MAX_CHARS = 1_000_000
_MAX_LINE_CHARS = 8_000
_STEPS = re.compile(r"Steps: ?\d{1,5}\s*,")
_NEGATIVE = "Negative prompt:"
_SETTING = re.compile(r'\s*([A-Za-z][\w /\-]{0,60}):\s*("(?:\\.|[^"\\])*"|[^,\n]*)(?:,|\n|$)')
_TELLING = frozenset({"Sampler", "Seed", "CFG scale", "Size", "Model", "Model hash"})
_MAIN = frozenset({"Seed", "Model"})


@dataclass(frozen=True, slots=True)
class Parameters:
    """A generation as written down: prompts, and the settings by name."""

    prompt: str
    negative_prompt: str
    settings: dict[str, str]

    def mark(self, tool: str, where: str) -> GeneratorMark:
        """The mark of ``tool`` that these parameters make."""
        return GeneratorMark(
            tool,
            where,
            Says.GENERATED,
            explicit=False,
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            seed=as_integer(self.settings.get("Seed")),
            model=self.settings.get("Model", ""),
            fields={name: value for name, value in self.settings.items() if name not in _MAIN},
        )


def parse(text: str) -> Parameters | None:
    """The parameters that ``text`` holds; None without ``Steps:`` and two more of the usual settings.

    >>> parse("a duck\\nNegative prompt: dull\\nSteps: 9, Sampler: Euler, Seed: 3").negative_prompt
    'dull'
    >>> parse("Steps: take the pan, heat it") is None
    True
    """
    text = text[:_MAX_CHARS]
    starts = [found.start() for found in _STEPS.finditer(text)]
    if not starts or text.lstrip().startswith("{"):
        return None
    head, line = text[: starts[-1]], text[starts[-1] : starts[-1] + _MAX_LINE_CHARS]
    settings: dict[str, str] = {}
    for setting in _SETTING.finditer(line):
        settings.setdefault(setting[1].strip(), setting[2].strip().strip('"'))
        if len(settings) >= MAX_FIELDS:
            break
    if len(_TELLING & settings.keys()) < 2:
        return None
    prompt, _, negative = head.partition(_NEGATIVE)
    return Parameters(prompt.strip()[:MAX_TEXT_CHARS], negative.strip()[:MAX_TEXT_CHARS], settings)
