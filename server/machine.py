"""How much of this machine the process may use."""

import os
from pathlib import Path


def cores_here() -> float:
    """Cores this process may use: of the machine, its affinity, and its control group (cgroup v2 `cpu.max`)."""
    cores: float = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _cgroup("cpu.max").partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else cores


def memory_here() -> int:
    """Bytes this process may use: of the machine, and its control group (cgroup v2 `memory.max`)."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _cgroup("memory.max")
    return min(memory, int(limit)) if limit.isdigit() else memory


def _cgroup(name: str) -> str:
    try:
        return Path("/sys/fs/cgroup", name).read_text().strip()
    except OSError:
        return ""  # not Linux, not version 2, or no limits
