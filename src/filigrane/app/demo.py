"""The tour: a picture is made, marked, signed, scanned, tampered with, stripped and recovered; and an ordinary photo.

Everything happens in one folder, keys and registry included, so that nothing of the user's own is touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from filigrane.app.formats import FOLDER, Format
from filigrane.app.inputs import Item
from filigrane.app.keys import init_keys
from filigrane.app.mark_job import Facts, MarkJob
from filigrane.app.mark_job import run as mark
from filigrane.app.records import to_record
from filigrane.app.recover import recover_file
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned, scan_items
from filigrane.core import plugins
from filigrane.core.errors import FiligraneError, MissingExtra, UsageError
from filigrane.core.image import encode
from filigrane.core.settings import Settings, load
from filigrane.core.values import Pixels
from filigrane.perturb.table import row
from filigrane.provenance.certificates import Algorithm, Holder
from filigrane.provenance.source_types import SourceType

OWN = (".filigrane-demo", "home", "picture.jpg", "marked.jpg", "tampered.jpg", "repost.jpg", "photo.png", "report.html")


@dataclass(frozen=True, slots=True)
class Step:
    """One stop of the tour: what was done, the file to look at, and what came of it (a scan or a sentence)."""

    title: str
    path: Path
    scanned: Scanned | None = None
    told: str = ""


def tour(folder: Path) -> Iterator[Step]:
    """Walk through the tour in ``folder``, which is made, or emptied of an earlier tour.

    Raises UsageError where the folder holds anything else, MissingExtra where the sample photos are not installed.
    """
    _prepare(folder)
    settings = load(home=folder / "home")
    init_keys(settings, Holder("Filigrane demo"), algorithm=Algorithm.ES256)
    picture, marked = folder / "picture.jpg", folder / "marked.jpg"
    pixels = draw()
    picture.write_bytes(encode(pixels, "jpeg"))
    yield Step("A picture is drawn by this program", picture, _scan(picture, settings))
    _mark(picture, marked, settings)
    yield Step("It is watermarked, signed as made by an algorithm, and registered", marked, _scan(marked, settings))
    tampered = folder / "tampered.jpg"
    tampered.write_bytes(_with_one_byte_changed(marked.read_bytes()))
    yield Step("One byte of the signed file is changed", tampered, _scan(tampered, settings))
    repost = folder / "repost.jpg"
    _repost(marked, repost)
    yield Step("It is cropped, scaled down and saved as JPEG: the manifest is gone", repost, _scan(repost, settings))
    yield Step("The watermark leads back to the manifest", repost, told=recover_file(repost, settings).summary)
    photo = folder / "photo.png"
    _sample_photo(photo)
    yield Step("An ordinary photo (NASA, public domain)", photo, _scan(photo, settings))


def draw(width_px: int = 960, height_px: int = 640, seed: int = 7) -> Pixels:
    """A landscape at dusk as uint8 (``height_px``, ``width_px``, 3): sky, sun, ridges and grain from ``seed``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height_px, 0:width_px] / height_px
    low, high = np.array([247.0, 178.0, 122.0]), np.array([58.0, 76.0, 134.0])
    image = Image.fromarray((high + (low - high) * np.clip(y / 0.7, 0, 1)[..., None]).astype(np.uint8))
    glow = ImageDraw.Draw(image)
    centre, radius = (0.64 * width_px, 0.48 * height_px), 0.075 * height_px
    glow.ellipse((centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), fill=(255, 236, 190))
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), np.float64)
    for number, colour in enumerate(((118, 96, 128), (82, 72, 106), (50, 50, 78), (24, 28, 44))):
        waves = rng.uniform(2, 5, 4) * (number + 1) ** 0.6
        ridge = (
            0.56
            + 0.1 * number
            + sum(0.035 / (k + 1) * np.sin(wave * (k + 1) * x + rng.uniform(0, 6)) for k, wave in enumerate(waves))
        )
        cover = np.clip((y - ridge) * height_px / 2, 0, 1)[..., None]
        pixels = pixels * (1 - cover) + np.array(colour) * cover
    grain = rng.normal(0, 3, (height_px, width_px, 1))
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def _prepare(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        if not (folder / OWN[0]).is_file():
            raise UsageError(f"{folder} holds files of yours; give an empty or new folder.")
        for name in OWN:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OWN[0]).touch()


def _scan(path: Path, settings: Settings) -> Scanned:
    ((_, scanned),) = scan_items([Item(str(path))], Runtime(settings), thumbnail_px=320)
    return scanned


def _mark(source: Path, target: Path, settings: Settings) -> None:
    facts = Facts(title="Dusk", source_type=SourceType.ALGORITHMIC_MEDIA, provider="Filigrane demo", system="Filigrane")
    (made,) = mark(MarkJob((str(source),), target, facts), settings)
    if made.error:
        raise FiligraneError(made.error)


def _with_one_byte_changed(data: bytes) -> bytes:
    """One byte in the middle of the picture data of a JPEG changed, to one that is no part of a marker."""
    position = next(at for at in range(len(data) // 2, len(data)) if 0 < data[at] < 0xF0 and data[at - 1] != 0xFF)
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def _repost(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        pixels = np.asarray(image.convert("RGB"))
    target.write_bytes(encode(row("repost-60").apply(pixels, 0), "jpeg"))


def _sample_photo(target: Path) -> None:
    try:
        with as_file(files("skimage.data").joinpath("astronaut.png")) as path:
            shutil.copyfile(path, target)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise MissingExtra("The sample photo of the demo", "evaluate") from error


def write_report(folder: Path, steps: Iterable[Step]) -> Path:
    """The scans of the tour as one HTML page in ``folder``; its path."""
    path = folder / "report.html"
    form: Format = plugins.load(FOLDER, "html")
    with path.open("wb") as stream:
        form.write((to_record(step.scanned) for step in steps if step.scanned is not None), stream)
    return path
