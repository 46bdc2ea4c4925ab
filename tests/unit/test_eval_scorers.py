"""Other people's detectors: each way of asking gives a number per picture, sees pixels only, and fails in words."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filigrane.core.errors import NotFound, UnreadableInput, UsageError
from filigrane.core.values import Pixels
from filigrane.detector.calibrate import Calibration
from filigrane.eval.base import scorer
from filigrane.eval.metrics import Float
from filigrane.eval.scorers._shared import Feed, llr_of, llr_of_probabilities
from filigrane.eval.scorers.builtin import Builtin

PROGRAM = """
import sys
from PIL import Image
with Image.open(sys.argv[1]) as image:
    assert not image.info and image.format == "PNG"
    print("looked at 1 file; score:", image.convert("L").resize((1, 1)).getpixel((0, 0)) / 255)
"""


def _grey(value: int, height: int = 20, width: int = 30) -> Pixels:
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "prog.py"
    path.write_text(PROGRAM)
    return path


def test_a_command_scores_pictures_by_the_last_number_it_prints(program: Path) -> None:
    asked = scorer(f"command:{sys.executable} {program} {{path}}#scale=probability")
    assert asked.scale == "probability"
    assert asked.score([_grey(0), _grey(255)]).tolist() == [0.0, 1.0]


def test_a_changed_program_is_another_detector(program: Path) -> None:
    spec = f"command:{sys.executable} {program} {{path}}"
    before = scorer(spec).hash
    assert scorer(spec).hash == before
    program.write_text(PROGRAM + "\n")
    assert scorer(spec).hash != before


@pytest.mark.parametrize("body", ["raise SystemExit(3)", "print('no idea')"])
def test_a_command_that_gives_no_score_is_an_error_that_quotes_it(tmp_path: Path, body: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(body)
    with pytest.raises(UnreadableInput, match="no score"):
        scorer(f"command:{sys.executable} {path} {{path}}").score([_grey(1)])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("command:prog", "has no {path}"),
        ("command:no-such-program {path}", "no program"),
        ("command:'prog {path}", "quotes"),
        ("http:ftp", "no http"),
        ("timm:resnet18", "names no weights"),
        (f"command:{sys.executable} {{path}}#scale=percent", "no scale"),
        (f"command:{sys.executable} {{path}}#colour=red", "check its options"),
        ("onnx:x#fit=croop", "no fit"),
        ("onnx:x#output=probabilities", "no output"),
        ("timm:resnet18@x#fit=", "no fit"),
        ("timm:resnet18@x#size_px=0", "side above zero"),
    ],
)
def test_bad_specs_are_usage_errors(spec: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        scorer(spec)


def test_unknown_kinds_name_the_known_ones() -> None:
    with pytest.raises(NotFound, match="onnx"):
        scorer("oracle:delphi")


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/score")
            self.end_headers()
            return
        with Image.open(io.BytesIO(data)) as image:
            mean = float(np.asarray(image).mean())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"result": {"ai": mean / 255}}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_is_posted_pixels_and_its_field_is_read(endpoint: str) -> None:
    asked = scorer(f"{endpoint}/score#field=result.ai&scale=probability")
    assert asked.score([_grey(0), _grey(255)]).tolist() == [0.0, 1.0]


def test_an_endpoint_cannot_send_pictures_elsewhere(endpoint: str) -> None:
    with pytest.raises(UnreadableInput, match="302"):
        scorer(f"{endpoint}/away#field=result.ai").score([_grey(0)])


def test_an_answer_without_the_field_is_an_error_that_names_it(endpoint: str) -> None:
    with pytest.raises(UnreadableInput, match=r"result\.fake"):
        scorer(f"{endpoint}/score#field=result.fake").score([_grey(0)])


def test_logits_of_classes_become_nats_for_the_class_that_means_ai() -> None:
    logits = np.log(np.array([[0.1, 0.6, 0.3]], np.float32))
    assert llr_of(logits, 1)[0] == pytest.approx(np.log(0.6 / 0.4), abs=1e-6)
    assert llr_of(np.array([[2.0]], np.float32), 1)[0] == 2.0
    for ask in (llr_of, llr_of_probabilities):
        for ai in (-1, 3):
            with pytest.raises(UsageError, match="3 classes"):
                ask(logits, ai)


def test_probabilities_become_nats_for_the_class_that_means_ai() -> None:
    chances = np.array([[0.1, 0.6, 0.3]], np.float32)
    assert llr_of_probabilities(chances, 1)[0] == pytest.approx(np.log(0.6 / 0.4), abs=1e-6)
    single = np.array([0.8], np.float32)
    assert llr_of_probabilities(single, 1)[0] == pytest.approx(-llr_of_probabilities(single, 0)[0]) == np.log(4)


@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize("shape", [(40, 60), (8, 30), (16, 16)])
def test_networks_are_fed_squares_of_the_size_they_want(crop: bool, shape: tuple[int, int]) -> None:
    batch = Feed(16, crop=crop, mean=(0, 0, 0), std=(1, 1, 1)).batch([_grey(255, *shape)])
    assert batch.shape == (1, 3, 16, 16)
    assert batch.dtype == np.float32
    assert np.all(batch == 1)


def test_cropping_keeps_pixels_as_they_are(scene: Pixels) -> None:
    batch = Feed(64, mean=(0, 0, 0), std=(1, 1, 1)).batch([scene])
    assert np.array_equal(np.round(batch[0].transpose(1, 2, 0) * 255), scene[88:152, 128:192])


class _Bright:
    """Calls bright crops AI, by 10 for white and -10 for black."""

    name, hash, size_px = "bright", "b1", 64

    def llr(self, batch: Pixels) -> Float:
        return np.asarray(batch.mean(axis=(1, 2, 3)) / 12.75 - 10)


def test_our_own_detector_answers_in_calibrated_nats_with_its_frozen_threshold() -> None:
    calibration = Calibration(0.5, 1.0, 4.0, 0.01, 0.5, 300, "drawn")
    asked = Builtin("filigrane detector", _Bright(), calibration)
    assert asked.score([_grey(0, 80, 80), _grey(255, 64, 200)]).tolist() == [-4.0, 6.0]
    assert asked.threshold == 3.0
    other = Builtin("filigrane detector", _Bright(), replace(calibration, offset=0.0))
    assert other.hash != asked.hash
    with pytest.raises(UnreadableInput, match="30 x 20"):
        asked.score([_grey(1)])


def _message(*fields: tuple[int, bytes | int]) -> bytes:
    """A protocol-buffer message of byte and integer fields: enough to write a tiny ONNX file by hand."""
    out = b""
    for number, value in fields:
        data = value if isinstance(value, bytes) else b""
        kind, payload = (0, _varint(value)) if isinstance(value, int) else (2, _varint(len(data)) + data)
        out += _varint(number << 3 | kind) + payload
    return out


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _tensor(name: bytes, *sides: int) -> bytes:
    shape = _message(*[(1, _message((1, side))) for side in sides])
    return _message((1, name), (2, _message((1, _message((1, 1), (2, shape))))))


def test_an_onnx_network_answers_in_nats(tmp_path: Path) -> None:
    node = _message((1, b"x"), (2, b"y"), (4, b"ReduceMean"), (5, _message((1, b"keepdims"), (3, 0), (20, 2))))
    axes = _message((1, b"axes"), *[(8, axis) for axis in (1, 2, 3)], (20, 7))
    node += _message((5, axes))
    graph = _message((1, node), (2, b"g"), (11, _tensor(b"x", 1, 3, 32, 32)), (12, _tensor(b"y", 1)))
    path = tmp_path / "mean.onnx"
    path.write_bytes(_message((1, 8), (7, graph), (8, _message((1, b""), (2, 13)))))
    asked = scorer(f"onnx:{path}")
    dark, light = (asked.score([_grey(value, 40, 40)])[0] for value in (0, 255))
    assert asked.scale == "llr"
    assert dark < 0 < light
    half = np.concatenate([_grey(0, 40, 40), _grey(255, 40, 40)], axis=1)
    half[:, :20] = 255
    whole, middle = (scorer(f"onnx:{path}#fit={fit}").score([half])[0] for fit in ("resize", "crop"))
    assert whole > middle, "how a picture is fitted counts without a size, too"
    with pytest.raises(UsageError, match="2 classes"):
        scorer(f"onnx:{path}#ai=7&output=probability").score([half])
    path.write_bytes(b"not a network")
    with pytest.raises(UnreadableInput, match=r"mean\.onnx"):
        scorer(f"onnx:{path}")
    with pytest.raises(UnreadableInput, match=r"gone\.onnx"):
        scorer(f"onnx:{tmp_path}/gone.onnx")
