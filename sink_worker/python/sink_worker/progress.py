"""A progress bar on the standard error, where that is a terminal."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextlib.contextmanager
def progress_bar(name: str, total: int | None, *, wanted: bool) -> Iterator[Callable[[], None]]:
    """What it yields is called once for each step. Elsewhere than on a terminal, nothing is shown."""
    console = Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=total)
        yield lambda: progress.advance(task)
