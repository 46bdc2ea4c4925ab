"""Captioned pictures for the built-in generator: which ones, where their originals lie, and one packed file of pixels.

The list of captions names each picture by repository, commit and path. Originals are read from a folder that holds
those repositories, checked out (``owner+name/path``) or as a git directory (``owner+name/repo``), and packed once into
a memory-mapped array, from which every stage of the training streams.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from filigrane.core.errors import NotFound, UsageError
from filigrane.core.values import Pixels
from filigrane.generator.train.vocabulary import CLOTHING, COLOURS, FLOWERS, FRUIT, PRODUCE, Subject, emoji

MAX_ORIGINAL_BYTES = 32 << 20
HELD_OUT = 5
"""One photo in so many is kept from training, to measure with."""


@dataclass(frozen=True, slots=True)
class Original:
    """One captioned picture: what it shows, where its file lies, under which licence, and whether training sees it."""

    subject: Subject
    licence: str
    repo: str
    commit: str
    path: str
    held_out: bool


def _colour_in(text: str) -> str:
    return next((word for word in text.replace("-", " ").split() if word in COLOURS), "")


def _subject(row: dict[str, str]) -> Subject | None:
    """What the picture of a row shows; None where the vocabulary leaves it out."""
    cls, words = row["cls"], row["caption_color"]
    match row["set"]:
        case "grocery-store":
            fields = PRODUCE.get(row["path_in_repo"].split("/")[-2])
            return Subject("produce", *fields) if fields else None
        case "ecustfd" if cls in FRUIT:
            return Subject("fruit", *FRUIT[cls])
        case "clothing" if cls in CLOTHING:
            return Subject("clothing", *CLOTHING[cls], _colour_in(words))
        case "flowers5" if cls in FLOWERS:
            return Subject("flower", *FLOWERS[cls], _colour_in(words))
        case "fluent-emoji-3d" if cls in emoji():
            noun, colour = emoji()[cls]
            return Subject("emoji", noun, noun, colour or _colour_in(words.replace(cls, "")))
    return None


def originals(captions: Path) -> tuple[Original, ...]:
    """The pictures of ``captions`` (a gzipped CSV) that the vocabulary knows and that may be used.

    One set has no licence but its authors' word that it is free and public; others without a licence are left out.
    Raises NotFound where the file is missing.
    """
    if not captions.is_file():
        raise NotFound(f"There is no list of captions at {captions}: name the captions.csv.gz of the captioned sets.")
    found = []
    with gzip.open(captions, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            subject = _subject(row)
            if subject is None or (row["licence"].startswith(("none", "unknown")) and subject.kind != "fruit"):
                continue
            digest = hashlib.sha256(_group(subject, row["path_in_repo"]).encode()).digest()
            held_out = subject.kind != "emoji" and digest[0] % HELD_OUT == 0
            licence = row["licence"].split(" (")[0]
            found.append(Original(subject, licence, row["repo"], row["commit"], row["path_in_repo"], held_out))
    return tuple(found)


def _group(subject: Subject, path: str) -> str:
    """What stays on one side of the split: a file, or all pictures of one piece of fruit (``apple001S(1).JPG``)."""
    return re.split(r"[ST]\(", path)[0] if subject.kind == "fruit" else path


def read_all(root: Path, items: Sequence[Original]) -> Iterator[tuple[Original, bytes]]:
    """The file bytes of ``items`` in turn, grouped by repository; a file that is missing or too large is left out.

    Raises NotFound where ``root`` lacks a repository.
    """
    for repo in dict.fromkeys(item.repo for item in items):
        of_repo = [item for item in items if item.repo == repo]
        folder = root / repo.replace("/", "+")
        if not folder.is_dir():
            raise NotFound(f"{root} holds no folder {folder.name}: clone https://github.com/{repo} into it.")
        if (folder / "repo" / "HEAD").is_file():
            yield from _from_git(folder / "repo", of_repo)
            continue
        for item in of_repo:
            path = folder / item.path
            if path.is_file() and path.stat().st_size <= MAX_ORIGINAL_BYTES:
                yield item, path.read_bytes()


def _from_git(git_dir: Path, items: Sequence[Original]) -> Iterator[tuple[Original, bytes]]:
    """The same from a git directory, through one ``git cat-file --batch``; UsageError where git is not installed."""
    if shutil.which("git") is None:
        raise UsageError(f"Reading {git_dir} needs the program git; install it.")
    command = ["git", "--git-dir", str(git_dir), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise UsageError(f"git could not be started on {git_dir}.")
        for item in items:
            process.stdin.write(f"{item.commit}:{item.path}\n".encode())
            process.stdin.flush()
            header = process.stdout.readline().split()
            if len(header) != 3 or header[1] != b"blob":
                continue
            data = process.stdout.read(int(header[2]))
            process.stdout.read(1)
            if len(data) <= MAX_ORIGINAL_BYTES:
                yield item, data
        process.stdin.close()


Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a picture, in pixels."""

CLOSE = 0.55
"""Share of a heap's width and height that is kept: its middle, where single pieces can be told apart."""
MARGIN = 0.62
"""Half the side of the square around a piece of fruit, over the longer side of its box."""


def boxes(root: Path, items: Sequence[Original]) -> dict[str, Box]:
    """The square around each piece of fruit among ``items``, by path, from the annotations that lie beside it."""
    found: dict[str, Box] = {}
    fruit = [item for item in items if item.subject.kind == "fruit"]
    notes = [
        replace(item, path=item.path.replace("JPEGImages", "Annotations").replace(".JPG", ".xml")) for item in fruit
    ]
    paths = {note.path: item.path for note, item in zip(notes, fruit, strict=True)}
    for note, text in read_all(root, notes):
        named = re.findall(rb"<name>(?!coin)[a-z]+</name>.{1,400}?<bndbox>(.{1,200}?)</bndbox>", text, re.DOTALL)
        corners = [tuple(map(int, re.findall(rb">(\d{1,5})<", box))) for box in named]
        sides = [max(box[2] - box[0], box[3] - box[1]) for box in corners if len(box) == 4]
        if not sides:
            continue
        left, top, right, bottom = corners[int(np.argmax(sides))]
        half = round(max(sides) * MARGIN)
        across, down = (left + right) // 2, (top + bottom) // 2
        found[paths[note.path]] = (across - half, down - half, across + half, down + half)
    return found


def framed(picture: Image.Image, item: Original, box: Box | None) -> Image.Image:
    """The part of a picture that shows its subject: the square of a piece of fruit, the middle of a heap, or all."""
    if box is not None:
        return picture.convert("RGB").crop(box)
    if item.subject.kind != "produce":
        return picture
    width, height = picture.size
    left, top = round(width * (1 - CLOSE) / 2), round(height * (1 - CLOSE) / 2)
    return picture.crop((left, top, width - left, height - top))


def squared(picture: Image.Image, size_px: int, *, widest: float = 1.2) -> Pixels:
    """A picture on white as uint8 (size_px, size_px, 3): cropped to a ratio of ``widest`` at most, then resized.

    The little squeeze that is left keeps the ends of tall things in the picture.
    """
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(white, picture).convert("RGB")
    width, height = flat.size
    wide, tall = min(width, round(height * widest)), min(height, round(width * widest))
    left, top = (width - wide) // 2, (height - tall) // 2
    resized = flat.resize((size_px, size_px), Image.Resampling.LANCZOS, box=(left, top, left + wide, top + tall))
    return np.asarray(resized)


@dataclass(frozen=True, slots=True)
class Pack:
    """Packed pictures: ``pixels`` uint8 (n, size, size, 3) memory-mapped, and what each of them is."""

    pixels: Pixels
    items: tuple[Original, ...]

    def indices(self, *, held_out: bool) -> list[int]:
        """Positions of the pictures kept from training, or of those it sees."""
        return [index for index, item in enumerate(self.items) if item.held_out is held_out]


def pack(captions: Path, root: Path, folder: Path, *, size_px: int = 256) -> Pack:
    """Read, square and store every original once; ``folder`` gets ``pixels.npy`` and ``items.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = originals(captions)
    shape = (len(wanted), size_px, size_px, 3)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
    kept: list[Original] = []
    squares = boxes(root, wanted)
    for item, data in read_all(root, wanted):
        if item.subject.kind == "fruit" and item.path not in squares:
            continue
        try:
            with Image.open(io.BytesIO(data)) as picture:
                pixels[len(kept)] = squared(framed(picture, item, squares.get(item.path)), size_px)
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
        kept.append(item)
    pixels.flush()
    (folder / "items.json").write_text(json.dumps([asdict(item) for item in kept]), encoding="utf-8")
    return load(folder)


def load(folder: Path) -> Pack:
    """Open what ``pack`` stored. Raises NotFound where it is missing."""
    if not (folder / "items.json").is_file():
        raise NotFound(f"{folder} holds no packed pictures: run the training with --originals once to pack them.")
    rows = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    items = tuple(Original(**{**row, "subject": Subject(**row["subject"])}) for row in rows)
    return Pack(np.load(folder / "pixels.npy", mmap_mode="r")[: len(items)], items)
