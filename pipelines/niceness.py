"""A child process that gives way to the one that carries calls."""

import os
from contextlib import suppress


def give_way(niceness: int | None = None) -> None:
    """Run at that niceness (1 to 19) from now on; None: only while nothing else wants the core, where the system knows such a thing (Linux,
    SCHED_IDLE). Ctrl-C in a terminal then goes to the parent alone.

    A process group of its own is enough for that, and a session of its own would be too much: Linux weighs sessions against each other first
    (sched(7), autogroup) and the niceness of processes only inside each, so the child would get as much of a core as the whole server.
    """
    if not hasattr(os, "nice"):
        return
    with suppress(PermissionError):  # it leads a session: it has been started by itself
        os.setpgid(0, 0)
    os.nice(19 if niceness is None else niceness)
    if niceness is None and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
