"""Any network of timm as a detector: a CLIP or DINO probe, a ResNet, whatever a user has weights for.

The card names the network in ``about.network``; its file holds all tensors of it, with one output (log-odds of AI) or
two (real, AI). Crops are brought to ``size_px`` a side, because most networks want one fixed size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from filigrane.core.errors import UnreadableInput
from filigrane.core.values import Pixels
from filigrane.core.weights import Card, load_tensors
from filigrane.detector.models._feed import fed, log_odds


class Timm:
    """The network and weights of a card."""

    name = "timm"

    def __init__(self, card: Card) -> None:
        """Raises UnreadableInput where network and weights do not fit."""
        import timm
        import torch

        self.hash, self.size_px = card.sha256[:16], card.size_px
        self._card, self._torch = card, torch
        tensors = load_tensors(card)
        try:
            classes = int(str(card.about.get("classes", 1)))
            network = timm.create_model(str(card.about["network"]), pretrained=False, num_classes=classes)
            network.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()}, strict=True)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UnreadableInput(f"The card {card.name} and its weights make no timm network ({error!r}).") from error
        self._network: Any = network.eval()

    def llr(self, batch: Pixels) -> NDArray[np.float64]:
        """Log-odds of AI of crops uint8 (N, H, W, 3): float64 (N,)."""
        with self._torch.inference_mode():
            outputs = self._network(self._torch.from_numpy(fed(batch, self._card)))
        return log_odds(outputs.float().numpy())


def build(*, card: Card) -> Timm:
    """The detector that ``card`` describes."""
    return Timm(card)
