"""A share of one core, as the smallest hosts give it: ``python -m benchmarks.quota -m ...``.

Linux limits the processes of a control group; whether this user may make one depends on the
machine. The command above puts itself under the group that `GROUP` names, and becomes the other.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GROUP = "MARKETPULSE_QUOTA_GROUP"
PERIOD_US = 100_000
ROOTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


@contextmanager
def quota(cores: float) -> Iterator[Path]:
    """A control group whose processes share so many cores.

    Raises
    ------
    OSError
        If this machine does not let us make one.
    """
    root = next((each for each in ROOTS if (each / "cgroup.procs").exists()), None)
    if root is None:
        raise FileNotFoundError("no control groups here")
    group = root / f"marketpulse-{os.getpid()}"
    group.mkdir()
    try:
        allowed = int(cores * PERIOD_US)
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(allowed))
        else:
            (group / "cpu.max").write_text(f"{allowed} {PERIOD_US}")
        yield group
    finally:
        group.rmdir()


if __name__ == "__main__":
    (Path(os.environ[GROUP]) / "cgroup.procs").write_text(str(os.getpid()))
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
