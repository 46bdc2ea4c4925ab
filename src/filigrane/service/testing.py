"""Servers on the loopback for tests and benchmarks: a real process, or a thread that sketches instead of generating."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
import uvicorn

from filigrane.app.generate import ensure_keys
from filigrane.app.generate_guard import Gate
from filigrane.app.generate_model import ModelChoice
from filigrane.app.mark import Draft, Marker
from filigrane.app.order import Order, Said, format_of
from filigrane.app.runtime import Runtime
from filigrane.app.scan import scan_picture
from filigrane.app.serving.settings import ServiceSettings
from filigrane.core.errors import FiligraneError
from filigrane.core.image import decode, encode
from filigrane.core.settings import Settings
from filigrane.core.values import Pixels, Verdict
from filigrane.generator.task import Progress
from filigrane.provenance.labels import Labels
from filigrane.provenance.manifest import Declaration, Software, Source
from filigrane.provenance.source_types import SourceType
from filigrane.service.api import create_app
from filigrane.service.patience import Patient

_SERVE = "import typer; from filigrane.cli.serve import serve; typer.run(serve)"
_START_S = 60.0
_STOP_S = 45.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: its address, its process, and where its log goes."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """``filigrane serve`` with its data in ``home``, ready, on a free port; stopped at the end of the block.

    Raises FiligraneError with the end of its log where it does not come up.
    """
    home.mkdir(parents=True, exist_ok=True)
    port, log = _free_port(), home / "server.log"
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "FILIGRANE_HOME": str(home)}
    command = [sys.executable, "-P", "-c", _SERVE, "--port", str(port), *arguments]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**variables, **(environment or {})})
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        if not _ready(server.url, lambda: process.poll() is None):
            raise FiligraneError(f"The server did not come up:\n{log.read_text(errors='replace')[-2000:]}")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _ready(url: str, alive: Callable[[], bool]) -> bool:
    """Whether the server at ``url`` gets ready while it is ``alive``."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and alive():
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


@dataclass(frozen=True, slots=True)
class Sketch:
    """What `Sketches` hands over, in the shape of `filigrane.app.generate.Generated`."""

    path: Path
    seed: int
    mark: int
    verdict: Verdict


class Sketches:
    """Draws waves in the seed's colours instead of asking a model; guard, marks, manifest and scan are the real ones.

    Needs signing keys in the home folder.
    """

    def __init__(self, settings: Settings, choice: ModelChoice) -> None:
        self._gate = Gate.open(settings)
        self._marker = Marker.open(settings)
        self._runtime = Runtime(settings, sources=("manifest", "metadata", "watermark"))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._marker.close()

    def make(
        self, order: Order, said: Said | None = None, progress: Callable[[Progress], None] | None = None
    ) -> Iterator[Sketch]:
        """The sketches of ``order``, four steps each."""
        self._gate.admit(order.prompt)
        first = order.seed if order.seed is not None else int(np.random.default_rng().integers(2**32))
        for place in range(order.count):
            pixels = waves(first + place, order.width_px or 256, order.height_px or 256)
            for step in range(1, 5):
                if progress is not None:
                    progress(Progress(step, 4, partial(_rough, pixels) if step < 4 else None))
            path = order.output.with_stem(f"{order.output.stem}-{place}")
            handed = self._marker.mark(self._draft(pixels, order), path)
            verdict = scan_picture(decode(path.read_bytes()), self._runtime)
            yield Sketch(path, first + place, handed.mark.id, verdict)

    def _draft(self, pixels: Pixels, order: Order) -> Draft:
        start = order.start.read_bytes() if order.start is not None else b""
        kind = SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA if start else SourceType.TRAINED_ALGORITHMIC_MEDIA
        sources = (Source(start, decode(start).format, "start"),) if start else ()
        name = Software("Sketch", "1")
        return Draft(
            pixels=pixels,
            format=format_of(order.output),
            declaration=Declaration(name, name, datetime.now(UTC), kind, "Sketch", sources=sources),
            labels=Labels(kind, name.name, name.version),
        )


def noise(seed: int = 0, size_px: int = 24, format: str = "png") -> bytes:
    """A square picture of pure noise as a file of ``format``."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
    return encode(pixels, format)


def _rough(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[::4, ::4])


def waves(seed: int, width_px: int, height_px: int) -> Pixels:
    """A smooth picture with some grain: uint8, (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height_px, 0:width_px] / 256
    planes = []
    for _ in range(3):
        a, b, phase = rng.uniform(-9, 9, 3)
        planes.append(128 + 70 * np.sin(a * x + b * y + phase) + rng.normal(0, 6, x.shape))
    drawn: Pixels = np.clip(np.dstack(planes), 0, 255).astype(np.uint8)
    return drawn


@contextmanager
def served(settings: Settings, service: ServiceSettings) -> Iterator[str]:
    """The address of a server in a thread of this process that sketches instead of generating."""
    ensure_keys(settings)
    app = create_app(settings, service, studio=Sketches)
    port = _free_port()
    config = uvicorn.Config(app, port=port, http=Patient, log_config=None, access_log=False, timeout_keep_alive=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="served", daemon=True)
    thread.start()
    try:
        if not _ready(f"http://127.0.0.1:{port}", thread.is_alive):
            raise FiligraneError("The server did not come up.")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_STOP_S)
