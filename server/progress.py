"""How far a long command is, for people, on standard error: bars on a terminal, a line for each step elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from pipelines.models.store import Step
from pipelines.units import SECOND

_WORDS = {"fetch": "fetching", "check": "checking", "wait": "waiting for another process that fetches"}


class _Shown:
    """Use as a context manager, so that the bars are put away before anything else is printed."""

    def __init__(self, console: Console | None, *columns: ProgressColumn, transient: bool) -> None:
        """`console`: standard error when not given. `transient`: nothing is left of the bars."""
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            *columns, console=self._console, transient=transient, disable=not self._console.is_terminal
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class ModelProgress(_Shown):
    """The model store's: a bar for each file, or a line at its beginning and end. A callback for `Store.path`, `.pull`
    and `.verify`."""

    def __init__(self, console: Console | None = None) -> None:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        super().__init__(console, TextColumn("{task.description}"), *columns, transient=False)
        self._tasks: dict[tuple[str, str, str], TaskID] = {}
        self._finished: set[tuple[str, str, str]] = set()

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


class ReplayProgress(_Shown):
    """Of `allo replay --models`: one bar, for what is loaded and then for the call."""

    def __init__(self, console: Console | None = None) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        super().__init__(console, *columns, transient=True)
        self._task = self._bars.add_task("", total=None)

    def loading(self, what: str) -> None:
        """`what` is being loaded."""
        self._begin(f"loading {what}", None)

    def running(self, us: int) -> None:
        """A caller's `us` microseconds are about to be put through."""
        self._begin(f"replaying {us / SECOND:.1f} s", us)

    def reached(self, at: int) -> None:
        """The run has come to call time `at`, microseconds; it may go past the caller's last word."""
        self._bars.update(self._task, completed=at)

    def _begin(self, what: str, total: int | None) -> None:
        self._bars.update(self._task, description=what, total=total)
        self._say(what)


class CallsProgress(_Shown):
    """Of a suite of calls: one bar."""

    def __init__(self, total: int, console: Console | None = None) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        super().__init__(console, *columns, transient=True)
        self._task = self._bars.add_task("", total=total)
        self._begun = 0

    def at(self, call: str) -> None:
        """`call` is taken up; those before it are done."""
        self._bars.update(self._task, description=call, completed=self._begun)
        self._begun += 1

    def done(self, call: str, outcome: str) -> None:
        """`call` is over, in whatever order; a line of its own where there is no bar."""
        self._begun += 1
        self._bars.update(self._task, description=call, completed=self._begun)
        self._say(f"{call}: {outcome}")

    def say(self, what: str) -> None:
        """`what` is being loaded."""
        self._bars.update(self._task, description=f"loading {what}")
        self._say(f"loading {what}")
