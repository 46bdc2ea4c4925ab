"""The command ``filigrane``: its sub-commands, and how errors become one sentence and an exit code."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Annotated

import typer

from filigrane import __version__
from filigrane.core.errors import FiligraneError, UsageError
from filigrane.core.text import printable

COMMANDS = (
    *("generate", "scan", "comply", "heat", "sign", "mark", "recover", "registry", "eval", "train", "models"),
    *("keys", "trust", "serve", "report", "doctor", "demo"),
)
"""The modules of this package that each register one command."""
INTERRUPTED, PIPE_CLOSED = 130, 141
"""Ended from outside, as shells count it: 128 and the number of the signal."""
_ClickException: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of all usage errors; newer releases of typer keep it in a private package."""


def _version(asked: bool) -> None:
    if asked:
        print(f"filigrane {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """The application with every command registered."""
    app = typer.Typer(
        name="filigrane",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Mark what machines make, read what any picture says of itself, measure how far that holds.",
        epilog="Exit codes: 0 fine, 1 findings (--fail-on) or figures missed (eval), 2 usage, 3 unreadable inputs, "
        "4 failure, 130 Ctrl-C, 141 nobody reads the output any more.",
    )

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        pass

    for name in COMMANDS:
        command = import_module(f"filigrane.cli.{name}")
        command.register(app)
    return app


def main(arguments: list[str]) -> int:
    """Run the command line on ``arguments`` and return its exit code."""
    _open_streams()
    try:
        code = build()(arguments, standalone_mode=False, prog_name="filigrane")
        return code if isinstance(code, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except _ClickException as error:
        message = str(getattr(error, "format_message", error.__str__)())
        is_help = message.startswith("Usage:")
        print(message if is_help else printable(f"filigrane: {message} See filigrane --help."), file=sys.stderr)
        return UsageError.exit_code
    except FiligraneError as error:
        print(printable(f"filigrane: {error}"), file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("filigrane: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # typer makes the latter of the former
        with suppress(OSError):  # what is left to write has no reader
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except UnicodeEncodeError as error:
        print(f"filigrane: {error.object[:80]!r} is no text that can be kept; give it in UTF-8.", file=sys.stderr)
        return UsageError.exit_code
    except OSError as error:
        path = error.filename2 or error.filename
        where = "" if path is None else f"{path}: "
        told = f"filigrane: {where}{error.strerror or error}; check the path, its permissions and the room left."
        print(printable(told), file=sys.stderr)
        return FiligraneError.exit_code


def _open_streams() -> None:
    """Put nothing in the place of a standard stream that is closed, and let no name be too odd to be printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
