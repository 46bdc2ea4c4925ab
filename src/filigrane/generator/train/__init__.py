"""Training of the built-in generator: vocabulary, data, autoencoder, denoiser and what is measured of them."""
