"""The mark in the noise that a picture grows from: written before sampling, read by running the sampler backwards."""
