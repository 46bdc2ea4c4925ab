"""The tour: pictures are drawn from words, scanned, tampered with, stripped and recovered; and an ordinary photo.

Everything happens in one folder, keys and registry included, so that nothing of the user's own is touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image

from filigrane.app.formats import FOLDER, Format
from filigrane.app.generate import Generated, Studio
from filigrane.app.generate_guard import Gate
from filigrane.app.generate_model import BUILTIN, ModelChoice
from filigrane.app.inputs import Item
from filigrane.app.keys import init_keys
from filigrane.app.order import Order, Said
from filigrane.app.records import to_record
from filigrane.app.recover import recover_file
from filigrane.app.runtime import Runtime
from filigrane.app.scan import Scanned, scan_items
from filigrane.core import plugins
from filigrane.core.errors import MissingExtra, UsageError
from filigrane.core.image import encode
from filigrane.core.settings import Settings, load
from filigrane.perturb.table import row
from filigrane.provenance.certificates import Algorithm, Holder

PROMPTS = {"apple": "a red apple", "shirt": "a blue t-shirt", "sunflower": "a sunflower"}
"""Three pictures by name, and the words they are drawn from."""
OWN = (
    *(".filigrane-demo", "home", "tampered.jpg", "repost.jpg", "photo.png", "report.html"),
    *(f"{name}{ending}" for name in PROMPTS for ending in (".jpg", ".jpg.recipe.json")),
)
_SEED = 7


@dataclass(frozen=True, slots=True)
class Step:
    """One stop of the tour: what was done, the file to look at, and what came of it (a scan or a sentence)."""

    title: str
    path: Path
    scanned: Scanned | None = None
    told: str = ""


def tour(folder: Path) -> Iterator[Step]:
    """Walk through the tour in ``folder``, which is made, or emptied of an earlier tour.

    Raises UsageError where the folder holds anything else, NotFound where the built-in model is not installed, and
    MissingExtra where a library or the sample photo is not.
    """
    _prepare(folder)
    settings = load(home=folder / "home", latent_model=BUILTIN)
    init_keys(settings, Holder("Filigrane demo"), algorithm=Algorithm.ES256)
    scans, apple = _Scans(settings), folder / "apple.jpg"
    for prompt, made in _drawn(folder, settings):
        title = f"“{prompt}” is drawn, watermarked, signed, registered and read back"
        yield Step(title, made.path, scans(made.path), _marks(made))
    tampered = folder / "tampered.jpg"
    tampered.write_bytes(_with_one_byte_changed(apple.read_bytes()))
    yield Step("One byte of the apple is changed after it was signed", tampered, scans(tampered))
    repost = folder / "repost.jpg"
    _repost(apple, repost)
    yield Step("The apple is cropped, scaled down and saved anew: its manifest is gone", repost, scans(repost))
    yield Step("The watermark leads back to the manifest", repost, told=recover_file(repost, settings).summary)
    photo = folder / "photo.png"
    _sample_photo(photo)
    yield Step("An ordinary photo (NASA, public domain) has nothing to say, and is not accused", photo, scans(photo))


def _drawn(folder: Path, settings: Settings) -> Iterator[tuple[str, Generated]]:
    with Studio.open(settings, ModelChoice(), Gate.open(settings)) as studio:
        for name, prompt in PROMPTS.items():
            (made,) = studio.make(Order(prompt, folder / f"{name}.jpg", seed=_SEED), Said(title=prompt))
            yield prompt, made


def _marks(made: Generated) -> str:
    seconds = made.seconds
    layers = f"in its noise and in its pixels ({made.mark:015x})" if made.latent is not None else "in its pixels"
    spent = seconds.sampling + seconds.latent + seconds.marking + seconds.checking
    return f"It carries a mark {layers}; all of it took {spent:.1f} s, {seconds.marking:.2f} s of them for marking."


class _Scans:
    """Scans of single files with one set of sources, which keep what they load."""

    def __init__(self, settings: Settings) -> None:
        self._runtime = Runtime(settings)

    def __call__(self, path: Path) -> Scanned:
        ((_, scanned),) = scan_items([Item(str(path))], self._runtime, thumbnail_px=320)
        return scanned


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} can't be a folder ({error.strerror}); give an empty or new one.") from error
    if any(folder.iterdir()):
        if not (folder / OWN[0]).is_file():
            raise UsageError(f"{folder} holds files of yours; give an empty or new folder.")
        for name in OWN:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (folder / OWN[0]).touch()


def _with_one_byte_changed(data: bytes) -> bytes:
    """One byte of the picture data of a JPEG changed, near its end, to one that is no part of a marker."""
    position = next(at for at in range(len(data) - 200, 0, -1) if 0 < data[at] < 0xF0 and data[at - 1] != 0xFF)
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
