"""Filigrane: pictures that say what they are, and readings that say how far they can be trusted."""

__version__ = "0.1.0"
