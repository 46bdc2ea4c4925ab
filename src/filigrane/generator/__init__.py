"""Generators: they turn a recipe into pixels."""
