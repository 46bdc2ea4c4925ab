"""``filigrane generate``: draw pictures that say what they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from filigrane.app.generate import Generated
    from filigrane.app.order import Order
    from filigrane.generator.task import Progress


def generate(
    prompt: Annotated[str, typer.Argument(help="What to draw; may be left out with --recipe where it was kept.")] = "",
    output: Annotated[Path, typer.Option("-o", "--output", help="The file; its ending is the format.")] = Path(
        "picture.png"
    ),
    model: Annotated[str, typer.Option(help="builtin, a folder, a .safetensors file, or a hub id.")] = "",
    n: Annotated[int, typer.Option("-n", "--n", help="How many pictures; seeds count up.")] = 1,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same picture; random by default.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the sampler.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt; 1 is without.")] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels; the model's own by default.")] = "",
    negative: Annotated[str, typer.Option(help="What not to draw.")] = "",
    scheduler: Annotated[str, typer.Option(help="Sampler, such as dpm, ddim or flow-euler.")] = "",
    init_image: Annotated[Path | None, typer.Option(help="Start from this picture.")] = None,
    mask: Annotated[Path | None, typer.Option(help="Paint only where this picture is white.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="How far to leave the start behind, up to 1; 0.8 by default.")
    ] = None,
    lora: Annotated[list[str] | None, typer.Option(help="FILE.safetensors or FILE.safetensors:WEIGHT.")] = None,
    config: Annotated[Path | None, typer.Option(help="Folder that says how a single-file model is laid out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")] = "auto",
    offload: Annotated[bool, typer.Option("--offload", help="Keep on the GPU only the part that works.")] = False,
    download: Annotated[bool, typer.Option("--download", help="Allow fetching a hub model.")] = False,
    tc260: Annotated[bool, typer.Option("--tc260", help="Add the metadata label of GB 45438-2025.")] = False,
    badge: Annotated[bool, typer.Option("--badge", help="Add a label that people see.")] = False,
    store_prompt: Annotated[
        bool, typer.Option("--store-prompt", help="Keep the prompt in clear in metadata and recipe, not as a hash.")
    ] = False,
    provider: Annotated[str, typer.Option(help="Who provides the system; your signing key's name by default.")] = "",
    policy: Annotated[Path | None, typer.Option(help="Additions to the guard's policy (YAML).")] = None,
    safety_checker: Annotated[Path | None, typer.Option(help="Folder of a safety checker for the picture.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="Make the picture of this recipe again.")] = None,
) -> None:
    """Draw pictures from words; each is watermarked, signed, registered and read back before it is handed over."""
    from filigrane.app.generate import Studio, ensure_keys
    from filigrane.app.generate_guard import Gate
    from filigrane.app.generate_model import BUILTIN, ModelChoice
    from filigrane.app.order import Order, Said, remake
    from filigrane.core.settings import load

    settings = load()
    gate = Gate.open(settings, policy=policy, checker=safety_checker)
    name = model or (remake(recipe) if recipe is not None else BUILTIN)
    choice = ModelChoice(name, config, device, dtype, offload, _loras(lora or []), download)
    width, height = _size(size)
    order = Order(
        prompt, output, negative, seed, steps, guidance, width, height, scheduler, n, init_image, mask, strength, recipe
    )
    _note(ensure_keys(settings))
    with Studio.open(settings, choice, gate) as studio:
        said = Said(provider, "", tc260, badge, store_prompt)
        for generated in _with_progress(order, lambda tell: studio.make(order, said, tell)):
            _tell(generated)


def _tell(generated: Generated) -> None:
    for text in generated.warnings:
        _note(text)
    if generated.latent_problem:
        _note(f"{generated.path} has no mark in its noise: {generated.latent_problem}")
    latent = f"{generated.latent:015x}" if generated.latent is not None else "-"
    print(f"{generated.path}\tseed {generated.seed}\tmark {generated.mark:015x}\tlatent {latent}")


def _note(text: str) -> None:
    if text:
        print(f"filigrane: {text}", file=sys.stderr)


def _size(text: str) -> tuple[int | None, int | None]:
    import re

    from filigrane.core.errors import UsageError

    if not text:
        return None, None
    if (sides := re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text)) is None:
        raise UsageError(f"--size is WIDTHxHEIGHT, such as 512x768; {text!r} was given.")
    return int(sides[1]), int(sides[2])


def _loras(texts: list[str]) -> tuple[tuple[Path, float], ...]:
    from filigrane.core.errors import UsageError

    found = []
    for text in texts:
        path, _, weight = text.rpartition(":") if text.rpartition(":")[1] else (text, "", "1")
        try:
            found.append((Path(path), float(weight)))
        except ValueError as error:
            raise UsageError(
                f"--lora is FILE or FILE:WEIGHT, such as ink.safetensors:0.7; {text!r} was given."
            ) from error
    return tuple(found)


def _with_progress(
    order: Order, work: Callable[[Callable[[Progress], None]], Iterator[Generated]]
) -> Iterator[Generated]:
    """Run ``work`` with a progress bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    if not sys.stderr.isatty():
        yield from work(lambda step: None)
        return
    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("drawing")
        yield from work(lambda step: bar.update(task, completed=step.step, total=step.steps))


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("generate")(generate)
