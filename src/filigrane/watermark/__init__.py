"""Invisible watermarks: a keyed mark of our own, readers of the marks others leave, keys and payloads."""
