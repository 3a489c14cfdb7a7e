"""What gives way to what carries calls: a child process, or a thread and those that it starts. `python -m pipelines.niceness MODULE ...` runs a module so, its imports too."""

import os
import runpy
import sys
import threading
from contextlib import suppress


def give_way(niceness: int = 19) -> None:
    """Run at that niceness from now on. Ctrl-C in a terminal then goes to the parent alone.

    A process group of its own is enough for that, and a session of its own would be too much: Linux weighs sessions against each other first
    (sched(7), autogroup) and the niceness of processes only inside each, so the child would get as much of a core as the whole server.
    """
    if not hasattr(os, "nice"):
        return
    with suppress(PermissionError):  # it leads a session: it has been started by itself
        os.setpgid(0, 0)
    os.nice(niceness)


def thread_gives_way(niceness: int) -> None:
    """The calling thread is that much nicer from now on, and so is every thread that it starts: on Linux alone, which schedules and weighs threads one by
    one (setpriority(2), "C library/kernel differences")."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))


if __name__ == "__main__":
    give_way()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
