"""One tree of errors, each of which knows its exit code and its HTTP status.

::

    FiligraneError            4 / 500
    ├── UsageError            2 / 400   the request itself is wrong
    ├── MissingExtra          2 / 501   an optional part is not installed
    ├── NotFound              2 / 404   a named thing does not exist
    ├── UnreadableInput       3 / 422   the bytes are not a picture we can read
    │   ├── UnsupportedFormat 3 / 415   … because the format is not one we read
    │   ├── LimitExceeded     3 / 413   … because it is over a stated limit
    │   └── DecodeTimeout     3 / 422   … because reading it took too long
    ├── SigningError          4 / 500   a manifest could not be made
    └── WatermarkError        4 / 422   a mark could not be embedded so that it reads back

A message says what was given, what was expected and what to do.
"""

from __future__ import annotations


class FiligraneError(Exception):
    """Anything this package raises on purpose."""

    exit_code: int = 4
    http_status: int = 500


class UsageError(FiligraneError):
    """The request itself is wrong: an unknown option, a bad value, a missing file name."""

    exit_code = 2
    http_status = 400


class MissingExtra(FiligraneError):
    """An optional part of the package is not installed."""

    exit_code = 2
    http_status = 501

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra [{extra}]: run pip install 'filigrane[{extra}]'.")
        self.feature = feature
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return type(self), (self.feature, self.extra)


class NotFound(FiligraneError):
    """A named thing (a key, a plug-in, a manifest) does not exist."""

    exit_code = 2
    http_status = 404


class UnreadableInput(FiligraneError):
    """The bytes given are not a picture that can be read."""

    exit_code = 3
    http_status = 422


class UnsupportedFormat(UnreadableInput):
    """The bytes are of a format that is not read here."""

    http_status = 415


class LimitExceeded(UnreadableInput):
    """The input is over a stated limit (bytes, pixels, frames, memory)."""

    http_status = 413


class DecodeTimeout(UnreadableInput):
    """Reading the input took longer than the time limit."""


class SigningError(FiligraneError):
    """A manifest could not be built, signed or verified after writing."""


class WatermarkError(FiligraneError):
    """A watermark could not be embedded so that it reads back."""

    http_status = 422
