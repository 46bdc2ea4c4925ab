"""The node graph that ComfyUI saves with a picture, walked from its samplers with caps on everything.

A graph maps node ids to ``{"class_type", "inputs"}``; an input is a value or a link ``[node id, output]``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from filigrane.provenance.marks._json import MAX_FIELDS, as_integer, as_object, as_text

_MAX_NODES = 5_000
_MAX_STEPS = 2_000
_SAMPLERS = ("sampler", "guider")
_SEEDS = ("seed", "noise_seed")
_TEXTS = ("text", "prompt", "string", "value", "clip_l", "clip_g", "t5xxl", "llama", "tags")
"""Parts of the names of inputs that hold prompts."""
_MODELS = ("ckpt_name", "unet_name", "model_name")
_PASSED_BY = frozenset(
    {"model", "clip", "vae", "image", "images", "latent_image", "samples", "latent", "pixels", "mask", "noise"}
    | {"sigmas", "sampler", "control_net", "style_model", "clip_vision_output", "upscale_model"}
)
_SETTINGS = ("steps", "cfg", "sampler_name", "scheduler", "denoise", "guidance")


@dataclass(frozen=True, slots=True)
class Generation:
    """What a graph says of a generation; ``sampled`` where it has a sampler at all."""

    sampled: bool
    prompts: tuple[str, ...] = ()
    negative_prompts: tuple[str, ...] = ()
    seed: int | None = None
    model: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)


def nodes(graph: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """The well-formed nodes of a graph by id: their type and their inputs."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for identifier, node in list(graph.items())[:_MAX_NODES]:
        kind, inputs = as_object(node).get("class_type"), as_object(node).get("inputs")
        if isinstance(kind, str) and isinstance(inputs, dict):
            found[identifier] = (kind, inputs)
    return found


def read(graph: Mapping[str, tuple[str, dict[str, Any]]]) -> Generation:
    """The prompts that reach the samplers of a graph, their seed and settings, and the first checkpoint."""
    samplers = [inputs for kind, inputs in graph.values() if any(word in kind.casefold() for word in _SAMPLERS)]
    settings: dict[str, str] = {}
    for inputs in samplers:
        for name in _SETTINGS:
            if text := as_text(inputs.get(name)):
                settings.setdefault(name, text)
    model = next((as_text(i[name]) for _, i in graph.values() for name in _MODELS if as_text(i.get(name))), "")
    return Generation(
        bool(samplers),
        _prompts(graph, samplers, "positive"),
        _prompts(graph, samplers, "negative"),
        _seed(graph, samplers),
        model,
        settings,
    )


def _linked(graph: Mapping[str, tuple[str, dict[str, Any]]], value: object) -> str | None:
    """The id of the node that an input is linked to, or None."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str | int):
        return None
    identifier = str(value[0])
    return identifier if identifier in graph else None


def _prompts(
    graph: Mapping[str, tuple[str, dict[str, Any]]], samplers: list[dict[str, Any]], role: str
) -> tuple[str, ...]:
    """The different texts that reach the samplers in one role, nearest first."""
    queue = deque(link for inputs in samplers for link in _followed(graph, inputs, role))
    seen: set[str] = set()
    found: list[str] = []
    while queue and len(seen) < _MAX_STEPS and len(found) < MAX_FIELDS:
        identifier = queue.popleft()
        if identifier in seen:
            continue
        seen.add(identifier)
        _, inputs = graph[identifier]
        for name, value in inputs.items():
            speaks = isinstance(value, str) and value.strip() and any(word in name.casefold() for word in _TEXTS)
            if speaks and as_text(value) not in found:
                found.append(as_text(value))
        queue.extend(_followed(graph, inputs, role))
    return tuple(found)


def _followed(graph: Mapping[str, tuple[str, dict[str, Any]]], inputs: dict[str, Any], role: str) -> Iterator[str]:
    """The nodes that inputs are linked to, of positive and negative ones only those of ``role``."""
    other = {"positive": "negative", "negative": "positive"}[role]
    # A guider or basic sampler without roles has conditioning that is positive.
    roleless = role == "negative" and not any(role in name.casefold() for name in inputs)
    for name, value in inputs.items():
        lower = name.casefold()
        if lower in _PASSED_BY or other in lower or (roleless and lower == "conditioning"):
            continue
        identifier = _linked(graph, value)
        if identifier is not None:
            yield identifier


def _seed(graph: Mapping[str, tuple[str, dict[str, Any]]], samplers: list[dict[str, Any]]) -> int | None:
    """The first seed of a sampler, followed over one link, or else of any node."""
    everywhere = [inputs for _, inputs in graph.values()]
    for inputs in (*samplers, *everywhere):
        for name in _SEEDS:
            value = inputs.get(name)
            linked = _linked(graph, value)
            candidates = [value] if linked is None else islice(graph[linked][1].values(), MAX_FIELDS)
            seed = next((number for item in candidates if (number := as_integer(item)) is not None), None)
            if seed is not None:
                return seed
    return None
