"""The figures and sheets of the model card: what a trained work folder is worth, measured on held-out photographs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nf
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from filigrane.core.values import Pixels
from filigrane.generator.train import assemble, autoencoder, measure, sampling
from filigrane.generator.train.basis import small
from filigrane.generator.train.stages import Work
from filigrane.generator.train.vocabulary import CLOTHING, FLOWERS, FRUIT, Subject, known_nouns

JUDGED = (
    ("a red apple", "apple", "red"), ("green apples", "apple", "green"), ("a yellow apple", "apple", "yellow"),
    ("green pears", "pear", "green"), ("yellow lemons", "lemon", "yellow"), ("green limes", "lime", "green"),
    ("oranges", "orange", "orange"), ("a photo of bananas", "banana", "yellow"), ("red tomatoes", "tomato", "red"),
    ("red peppers", "pepper", "red"), ("a green pepper", "pepper", "green"), ("orange carrots", "carrot", "orange"),
    ("watermelons", "watermelon", "green"), ("brown kiwis", "kiwi", "brown"), ("potatoes", "potato", "brown"),
    ("purple aubergines", "aubergine", "purple"), ("pineapples", "pineapple", ""),
    ("green cucumbers", "cucumber", "green"),
    ("a blue t-shirt", "t-shirt", "blue"), ("a red t-shirt", "t-shirt", "red"), ("a white t-shirt", "t-shirt", "white"),
    ("a black long-sleeved shirt", "long-sleeved shirt", "black"), ("a blue shirt", "shirt", "blue"),
    ("a pair of blue pants", "pair of pants", "blue"), ("a pair of black pants", "pair of pants", "black"),
    ("a pair of black shoes", "pair of shoes", "black"), ("a pair of brown shoes", "pair of shoes", "brown"),
    ("a red dress", "dress", "red"), ("a blue dress", "dress", "blue"), ("a black jacket", "jacket", "black"),
    ("a pair of blue shorts", "pair of shorts", "blue"), ("a grey hoodie", "hoodie", "grey"), ("a hat", "hat", ""),
    ("a black skirt", "skirt", "black"), ("a yellow sunflower", "sunflower", "yellow"),
    ("white daisies", "daisy", "white"),
    ("a red rose", "rose", "red"), ("pink tulips", "tulip", "pink"), ("a yellow dandelion", "dandelion", "yellow"),
    ("a red tulip", "tulip", "red"),
)  # fmt: skip
"""Prompt, noun and colour ('' where none is asked for): 40 prompts over the photographed kinds."""

SHEET = (
    *(prompt for prompt, _, _ in JUDGED),
    "a lemon", "an orange on a plate", "a red tomato", "a banana",
    "a 3D emoji of a rocket", "a 3D emoji of a cat", "a 3D emoji of a dog", "a 3D emoji of a red heart",
    "a 3D emoji of a blue heart", "a 3D emoji of a lemon", "a 3D emoji of a sunflower", "a 3D emoji of a red car",
    "a 3D emoji of a house", "a 3D emoji of a rainbow", "a 3D emoji of a crown", "a 3D emoji of a mountain",
    "a rocket", "a frog", "a blue apple", "a green dress with flowers", "a mountain landscape", "a house by the sea",
    "a portrait of a woman", "",
)  # fmt: skip
"""The 64 prompts of the contact sheet; the last six ask for what was never taught."""

SEEDS = 10
_similarity: Any = structural_similarity
PHOTOS = ("produce", "fruit", "clothing", "flower")
FOLDS = 5
Four = tuple[float, float, float, float]
Eight = tuple[float, float, float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """Accuracies and shares 0–1, PSNR in dB, kernel distances unitless, pixel distances 0–255, times in seconds.

    ``low`` and ``high`` bound the middle 95 % of resampled prompts; ``judged`` counts pictures, ``judge_photos`` the
    held-out photographs that the classifier learned from.
    """

    judged: int
    judge_photos: int
    accuracy_real: float
    accuracy_made: float
    accuracy_made_low: float
    accuracy_made_high: float
    accuracy_relative: float
    accuracy_chance: float
    kid_made: float
    kid_real: float
    colour_real: float
    colour_made: float
    colour_made_low: float
    colour_made_high: float
    autoencoder_psnr_db: float
    autoencoder_ssim: float
    copy_distance: float
    neighbour_distance: float
    seconds_each: float


def measure_all(work: Work, parts: assemble.Parts, folder: Path) -> Figures:
    """Measure, draw the sheets into ``folder``, and leave the figures in the work folder as ``metrics.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts = [prompt for prompt, _, _ in JUDGED for _ in range(SEEDS)]
    began = time.monotonic()
    made = _made(parts, prompts, list(range(SEEDS)) * len(JUDGED))
    seconds_each = (time.monotonic() - began) / len(made)
    held_out = _held_out(work)
    recognised = _recognised(work, held_out, made)
    psnr_db, ssim = quality(parts, work, held_out)
    copies = _copies(work, made, folder)
    colours = _colours(work, held_out, made)
    contact_sheet(parts, folder / "contact-sheet.webp")
    figures = Figures(len(made), len(held_out), *recognised, *colours, psnr_db, ssim, *copies, seconds_each)
    (work.folder / "metrics.json").write_text(json.dumps(asdict(figures), indent=1), encoding="utf-8")
    return figures


def _made(parts: assemble.Parts, prompts: list[str], seeds: list[int], *, batch: int = 40) -> Pixels:
    pictures = []
    for start in range(0, len(prompts), batch):
        chosen = slice(start, start + batch)
        latents = sampling.latents_of(parts.pair, parts.tokenizer, prompts[chosen], seeds[chosen])
        pictures.append(sampling.drawn(parts.autoencoder, latents))
    return np.concatenate(pictures)


def _held_out(work: Work) -> list[int]:
    pack, known = work.pack, known_nouns()
    return [
        index
        for index in pack.indices(held_out=True)
        if (pack.items[index].subject.kind, pack.items[index].subject.noun) in known
    ]


def _recognised(work: Work, held_out: list[int], made: Pixels) -> Eight:
    """Accuracy on real (cross-validated) and made with its bounds, their ratio, chance; KID of made and of real."""
    items = work.pack.items
    keys = np.array([_key(items[index].subject) for index in held_out])
    nouns = np.array([key.split(":")[1] for key in keys])
    pictures = np.asarray(work.small[held_out])
    rows, mirrored = measure.features(pictures), measure.features(pictures[:, :, ::-1])
    fold = np.random.default_rng(7).permutation(len(rows)) % FOLDS
    named = np.empty(len(rows), nouns.dtype)
    for part in range(FOLDS):
        fit = fold != part
        judge = measure.train_judge(np.concatenate([rows[fit], mirrored[fit]]), nouns[fit].tolist() * 2)
        named[~fit] = judge.name(rows[~fit])
    wanted = [_key_of(prompt, noun) for prompt, noun, _ in JUDGED]
    real = float(np.mean([(named == nouns)[keys == key].mean() for key in wanted]))
    judge = measure.train_judge(np.concatenate([rows, mirrored]), nouns.tolist() * 2)
    made_rows = measure.features(small(made))
    asked = np.array([noun for _, noun, _ in JUDGED for _ in range(SEEDS)])
    right = np.array(judge.name(made_rows)) == asked
    share, low, high = _bounded(right)
    first, second = (_like(keys, wanted * SEEDS, fold, side) for side in (True, False))
    made_far = measure.kernel_distance(judge.embed(rows[first]), judge.embed(made_rows))
    real_far = measure.kernel_distance(judge.embed(rows[first]), judge.embed(rows[second]))
    return real, share, low, high, share / real, 1 / len(set(nouns)), made_far, real_far


def _key(subject: Subject) -> str:
    return f"{subject.kind}:{subject.noun}"


def _key_of(prompt: str, noun: str) -> str:
    """The kind of photograph a judged prompt asks for, and its noun."""
    for kind, table in (("clothing", CLOTHING), ("flower", FLOWERS)):
        if any(fields[0] == noun for fields in table.values()):
            return f"{kind}:{noun}"
    single = prompt.endswith(noun) and any(fields[0] == noun for fields in FRUIT.values())
    return f"{'fruit' if single else 'produce'}:{noun}"


def _bounded(right: NDArray[np.bool_]) -> tuple[float, float, float]:
    """The share that is right, and the middle 95 % of it over resampled prompts."""
    of_prompt = right.reshape(-1, SEEDS).mean(1)
    drawn = np.random.default_rng(7).integers(0, len(of_prompt), (2000, len(of_prompt)))
    low, high = np.quantile(of_prompt[drawn].mean(1), (0.025, 0.975))
    return float(of_prompt.mean()), float(low), float(high)


def _like(keys: NDArray[np.str_], wanted: list[str], fold: NDArray[np.intp], first: bool) -> NDArray[np.intp]:
    """Positions of real pictures, drawn as often as their key is asked for, from the even folds or the odd ones."""
    rng, half = np.random.default_rng(8), (fold % 2 == 0) == first
    return np.unique([rng.choice(np.flatnonzero((keys == key) & half)) for key in wanted])


def _colours(work: Work, held_out: list[int], made: Pixels) -> Four:
    """Share of pictures whose middle shows the colour word: real ones with that caption; made ones, with bounds."""
    asked = [colour for _, _, colour in JUDGED for _ in range(SEEDS)]
    items = work.pack.items
    real = [index for index in held_out if items[index].subject.colour in set(asked) - {""}]
    hits = [items[index].subject.colour in measure.colours_of(work.small[index]) for index in real]
    shown = np.array([
        colour in measure.colours_of(picture) for colour, picture in zip(asked, small(made), strict=True) if colour
    ])  # fmt: skip
    return float(np.mean(hits)), *_bounded(shown)


@torch.no_grad()
def quality(parts: assemble.Parts, work: Work, held_out: list[int], *, count: int = 100) -> tuple[float, float]:
    """Mean PSNR in dB and SSIM of the autoencoder on held-out photographs at 256 px."""
    pixels, scores = work.pack.pixels, []
    for index in np.random.default_rng(7).choice(held_out, min(count, len(held_out)), replace=False):
        picture = autoencoder.to_tensor(pixels[index : index + 1])
        latents = parts.autoencoder.encode(picture * 2 - 1).latents
        again = sampling.to_pixels(parts.autoencoder.decode(latents).sample * 0.5 + 0.5)[0]
        error = np.square(pixels[index].astype(np.float64) - again).mean()
        scores.append((10 * np.log10(255**2 / max(error, 1e-9)), _similarity(pixels[index], again, channel_axis=-1)))
    psnr_db, ssim = np.mean(scores, axis=0)
    return float(psnr_db), float(ssim)


def _copies(work: Work, made: Pixels, folder: Path, *, shown: int = 20) -> tuple[float, float]:
    """Root mean square distance (0–255) to the nearest training photo: of made pictures, and of held-out photos.

    Draws ``nearest.webp``: 20 made pictures above the training photo nearest to each.
    """
    items = work.pack.items
    seen = np.array([index for index in work.pack.indices(held_out=False) if items[index].subject.kind in PHOTOS])
    known = np.asarray(work.small[seen])
    places, distances = measure.nearest(small(made), known)
    held = np.asarray(work.small[_held_out(work)[:: max(1, len(_held_out(work)) // 400)]])
    _, usual = measure.nearest(held, known)
    step = len(made) // shown
    pixels = work.pack.pixels
    twins = np.stack([pixels[seen[places[place]]] for place in range(0, len(made), step)][:shown])
    own = made[::step][:shown]
    rows = [half for row in (0, shown // 2) for half in (own[row : row + shown // 2], twins[row : row + shown // 2])]
    _save(sampling.tiled(_shrunk(np.concatenate(rows), 128), shown // 2), folder / "nearest.webp")
    return float(np.median(distances)), float(np.median(usual))


def contact_sheet(parts: assemble.Parts, path: Path, *, seeds: int = 4, tile_px: int = 128) -> None:
    """Draw ``SHEET`` × the first seeds, uncurated, 16 pictures across: one prompt is four neighbours, left to right."""
    prompts = [prompt for prompt in SHEET for _ in range(seeds)]
    made = _made(parts, prompts, list(range(seeds)) * len(SHEET))
    _save(sampling.tiled(_shrunk(made, tile_px), 4 * seeds), path)


def _shrunk(pictures: Pixels, size_px: int) -> Pixels:
    batch = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div(255)
    return sampling.to_pixels(nf.adaptive_avg_pool2d(batch, size_px))


def _save(pixels: Pixels, path: Path) -> None:
    Image.fromarray(pixels).save(path, quality=85)
