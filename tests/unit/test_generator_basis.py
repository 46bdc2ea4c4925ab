import numpy as np
import pytest
import torch
import torch.nn.functional as nf

from filigrane.generator.train import autoencoder, basis
from filigrane.generator.train.basis import Basis


@pytest.fixture(scope="module")
def fitted() -> Basis:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 3, 16, 16)).astype(np.float32)
    smooth = nf.interpolate(torch.from_numpy(coarse), size=64, mode="bicubic").clamp(0, 255)
    return basis.fit(smooth.byte().permute(0, 2, 3, 1).contiguous().numpy())


def _pictures(count: int, size_px: int) -> torch.Tensor:
    return torch.rand((count, 3, size_px, size_px), generator=torch.Generator().manual_seed(1))


def test_decoding_and_encoding_again_gives_the_same_latents(fitted: Basis) -> None:
    once = fitted.encode(fitted.decode(fitted.encode(_pictures(2, 64))))
    twice = fitted.encode(fitted.decode(once))
    assert torch.allclose(once, twice, atol=0.05 * float(once.std()))


def test_a_larger_picture_has_the_latents_of_its_quarters(fitted: Basis) -> None:
    picture = _pictures(1, 64)
    assert torch.allclose(fitted.encode(picture)[..., :4, 4:], fitted.encode(picture[..., :32, 32:]), atol=1e-5)


def test_fitting_is_deterministic_and_survives_the_file(
    fitted: Basis, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("basis") / "basis.safetensors"
    fitted.save(path)
    again = basis.load(path)
    assert torch.equal(again.vectors, fitted.vectors) and torch.equal(again.spread, fitted.spread)


def test_the_encoder_written_into_convolutions_is_the_basis(fitted: Basis) -> None:
    model = autoencoder.new_autoencoder(fitted)
    pictures = _pictures(1, 256)
    with torch.no_grad():
        latents = model.encode(pictures * 2 - 1).latents * model.config.scaling_factor
    assert torch.allclose(latents, fitted.encode(nf.avg_pool2d(pictures, 4)), atol=1e-3)


def test_unfolding_repeats_the_pixels_of_the_inner_decoder(fitted: Basis) -> None:
    torch.manual_seed(0)
    inner = autoencoder.Inner(autoencoder.new_autoencoder(fitted))
    whole = autoencoder.new_autoencoder(fitted)
    autoencoder.unfold(whole, inner)
    latents = torch.randn(1, basis.LATENT_CHANNELS, 8, 8)
    with torch.no_grad():
        small = inner(latents)
        large = whole.decode(latents / whole.config.scaling_factor).sample * 0.5 + 0.5
    assert torch.allclose(large, nf.interpolate(small, scale_factor=4), atol=1e-5)


def test_averaging_to_small_pictures_rounds_to_the_nearest() -> None:
    stripes = np.zeros((1, 256, 256, 3), np.uint8)
    stripes[:, :, ::2] = 255
    assert np.all(basis.small(stripes) == 128)
