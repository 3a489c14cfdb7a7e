"""The model store's progress, for people: a bar for each file on a terminal, a line at its beginning and end
elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pipelines.models.store import Step

_WORDS = {"fetch": "fetching", "check": "checking", "wait": "waiting for another process that fetches"}


class ModelProgress:
    """A callback for `Store.path`, `.pull` and `.verify`; use as a context manager, so that the bars are put away."""

    def __init__(self, console: Console | None = None) -> None:
        """`console`: standard error when not given."""
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[tuple[str, str, str], TaskID] = {}
        self._finished: set[tuple[str, str, str]] = set()

    def __enter__(self) -> "ModelProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, step: Step) -> None:
        key = (step.model, step.file, step.doing)
        what = f"{_WORDS[step.doing]} {step.model}/{step.file}"
        if step.source:
            what += f" ({step.source})"
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(what, total=step.total)
            self._say(f"{what}, {step.total / 1e6:.1f} MB")
        self._bars.update(self._tasks[key], completed=step.done, description=what)
        if step.done >= step.total and key not in self._finished:
            self._finished.add(key)
            self._say(f"{what}: done")

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, highlight=False, soft_wrap=True)
