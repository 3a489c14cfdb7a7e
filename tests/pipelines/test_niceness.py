import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="this system has no such scheduling")

_TOLD = "import os; from pipelines.niceness import give_way; give_way({}); print(os.nice(0), os.sched_getscheduler(0), os.getpgid(0), os.getsid(0))"


def told(niceness: int | None) -> tuple[list[int], int]:
    """Niceness, policy, group and session of a child that gives way; and its process id."""
    child = subprocess.Popen([sys.executable, "-c", _TOLD.format(niceness)], stdout=subprocess.PIPE, text=True)
    out, _ = child.communicate(timeout=30)
    return [int(word) for word in out.split()], child.pid


@pytest.mark.parametrize(
    ("niceness", "nice", "policy"), [(10, 10, "SCHED_OTHER"), (None, 19, "SCHED_IDLE")], ids=["nice", "idle"]
)
def test_a_child_gives_way_inside_its_parents_session(niceness, nice, policy):
    """Outside of it, its niceness would be weighed against nothing; in its parent's group, Ctrl-C would reach it."""
    (niced, scheduled, group, session), pid = told(niceness)
    assert niced == min(os.nice(0) + nice, 19)
    assert scheduled == getattr(os, policy)
    assert group == pid
    assert session == os.getsid(0)
