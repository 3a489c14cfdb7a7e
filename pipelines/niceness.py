"""A child process that gives way to the one that carries calls. `python -m pipelines.niceness MODULE ...` runs a module so, its imports too."""

import os
import runpy
import sys
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


if __name__ == "__main__":
    give_way()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
