"""InvokeAI: ``invokeai_metadata``, before that ``sd-metadata`` (JSON) and ``Dream`` (a command line); graphs too."""

from __future__ import annotations

import re

from filigrane.provenance.containers import TextEntry
from filigrane.provenance.mark import GeneratorMark, Says
from filigrane.provenance.marks._json import (
    MAX_TEXT_CHARS,
    as_integer,
    as_object,
    as_text,
    load_object,
    simple_fields,
)
from filigrane.provenance.metadata import Metadata

_DREAM = re.compile(r'\s*"([^"]*)"(\s+-[^"]*)')
_OPTION = re.compile(r"-(\w)\s+([\w.]+)")
_DREAM_NAMES = {"A": "sampler", "C": "cfg_scale", "H": "height", "W": "width", "s": "steps"}
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_MAX_PARTS = 20
_MAIN = frozenset({"positive_prompt", "negative_prompt", "seed", "model", "app_version"})


class _InvokeAI:
    tool = "InvokeAI"

    def find(self, metadata: Metadata) -> GeneratorMark | None:
        for entry in metadata.texts:
            reader = _READERS.get(entry.keyword)
            found = reader(entry) if reader is not None else None
            if found is not None:
                return found
        return None


def _mark(
    entry: TextEntry, prompts: tuple[str, str], *, seed: object = None, model: str = "", fields: dict[str, str]
) -> GeneratorMark:
    return GeneratorMark(
        _InvokeAI.tool,
        f"{entry.where} {entry.keyword}",
        Says.GENERATED,
        explicit=False,
        prompt=prompts[0],
        negative_prompt=prompts[1],
        seed=as_integer(seed),
        model=model,
        fields=fields,
    )


def _read_metadata(entry: TextEntry) -> GeneratorMark | None:
    found = load_object(entry.text)
    if not found:
        return None
    prompts = (as_text(found.get("positive_prompt")), as_text(found.get("negative_prompt")))
    model = as_object(found.get("model"))
    name = as_text(model.get("model_name")) or as_text(model.get("name"))
    return _mark(entry, prompts, seed=found.get("seed"), model=name, fields=simple_fields(found, _MAIN))


def _read_sd_metadata(entry: TextEntry) -> GeneratorMark | None:
    found = load_object(entry.text)
    image = as_object(found.get("image")) if found else {}
    if found is None or not image:
        return None
    parts = image.get("prompt")
    parts = parts[:_MAX_PARTS] if isinstance(parts, list) else [{"prompt": parts}]
    texts = [as_text(as_object(part).get("prompt")) for part in parts]
    prompts = _split(" ".join(text for text in texts if text))
    model = as_text(found.get("model_weights"))
    return _mark(entry, prompts, seed=image.get("seed"), model=model, fields=simple_fields(image, ("prompt", "seed")))


def _read_dream(entry: TextEntry) -> GeneratorMark | None:
    found = _DREAM.match(entry.text[:MAX_TEXT_CHARS])
    options = dict(_OPTION.findall(found[2])) if found else {}
    if found is None or not {"s", "S"} <= options.keys():
        return None
    fields = {name: options[letter] for letter, name in _DREAM_NAMES.items() if letter in options}
    return _mark(entry, _split(found[1]), seed=options.get("S"), fields=fields)


def _split(prompt: str) -> tuple[str, str]:
    """Negative parts of an early InvokeAI prompt stand in square brackets."""
    negative = ", ".join(part.strip() for part in _BRACKETS.findall(prompt))
    return _BRACKETS.sub("", prompt).strip(" ,"), negative


def _read_graph(entry: TextEntry) -> GeneratorMark | None:
    found = load_object(entry.text)
    if not found or not isinstance(found.get("nodes"), dict):
        return None
    return _mark(entry, ("", ""), fields={})


_READERS = {
    "invokeai_metadata": _read_metadata,
    "sd-metadata": _read_sd_metadata,
    "Dream": _read_dream,
    "dream": _read_dream,
    "invokeai_graph": _read_graph,
}


def build() -> _InvokeAI:
    """The mark of InvokeAI."""
    return _InvokeAI()
