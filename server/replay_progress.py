"""How far `allo replay --models` is, on standard error: a bar on a terminal, a line for each step elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines.units import SECOND


class ReplayProgress:
    """Use as a context manager, so that the bar is put away before the result is printed."""

    def __init__(self, console: Console | None = None) -> None:
        """`console`: standard error when not given."""
        self._console = console or Console(stderr=True)
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> "ReplayProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

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
        if not self._console.is_terminal:
            self._console.print(what, highlight=False, markup=False, soft_wrap=True)
