"""What the commands show at a terminal: tables, notes and progress, with nothing in them that a terminal would obey."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from filigrane.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

T = TypeVar("T")


def cells(*values: object) -> Iterator[Text]:
    """The cells of a row of a table, without markup."""
    from rich.text import Text

    return (Text(printable(str(value))) for value in values)


def note(text: str, style: str = "dim") -> None:
    """Say something beside the result, on standard error."""
    from rich.console import Console

    Console(stderr=True).print(printable(text), style=style, markup=False, highlight=False)


def with_progress(results: Iterable[T], word: str, total: int) -> Iterator[T]:
    """Pass ``results`` on, with a progress bar where there are several."""
    with progress(word, total if total > 1 else 0) as tell:
        for done, result in enumerate(results, 1):
            yield result
            tell(done)


@contextmanager
def progress(word: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, where that is a terminal: tell it how many of ``total`` are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if total == 0 or not sys.stderr.isatty():
        yield lambda done: None
        return
    columns = (TextColumn(word), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(word, total=total)
        yield lambda done: bar.update(task, completed=done)
