import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "nice"), reason="this system has no niceness")

_RUN = (sys.executable, "-m", "pipelines.niceness", "json.tool", "--compact")
_TOLD = (
    "import os; from pipelines.niceness import give_way; give_way(10); print(os.nice(0), os.getpgid(0), os.getsid(0))"
)


def test_a_child_gives_way_inside_its_parents_session():
    """Outside of it, its niceness would be weighed against nothing; in its parent's group, Ctrl-C would reach it."""
    child = subprocess.Popen([sys.executable, "-c", _TOLD], stdout=subprocess.PIPE, text=True)
    out, _ = child.communicate(timeout=30)
    niceness, group, session = (int(word) for word in out.split())
    assert niceness == min(os.nice(0) + 10, 19)
    assert group == child.pid
    assert session == os.getsid(0)


def test_a_module_is_run_with_its_arguments_and_its_exit_status():
    run = lambda text: subprocess.run(_RUN, input=text, capture_output=True, text=True, timeout=30)  # noqa: E731
    assert run('{"a": 1}').stdout.strip() == '{"a":1}'
    assert run("no").returncode == 1
