"""Text of strangers made fit for showing: file names, metadata and certificates may hold anything."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` with a space for each character that a terminal would obey instead of showing it.

    >>> printable("red\\x1b[31m name")
    'red [31m name'
    """
    return "".join(char if char.isprintable() else " " for char in text)


def encodable(text: str) -> str:
    """``text`` with lone surrogates spelled out, which UTF-8 can't hold; bytes of odd file names come as such.

    >>> encodable("caf\\udce9")
    'caf\\\\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
