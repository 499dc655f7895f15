"""What this process takes of its machine."""

import ctypes
import resource
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

# Linux says pages in use; elsewhere only the peak is known without another library.
STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process takes.

    Attributes
    ----------
    memory : int or None
        Bytes resident now; None where the system does not tell.
    peak : int
        The most of it so far.
    threads : int
    """

    memory: int | None
    peak: int
    threads: int


def footprint() -> Footprint:
    """Of this process, now."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    memory = None
    if STATM.exists():
        memory = int(STATM.read_text().split()[1]) * resource.getpagesize()
    return Footprint(memory, peak, threading.active_count())


def give_back_memory() -> None:
    """Let the C library return to the system what was freed, where it can be asked to.

    glibc keeps it for each thread that ever ran, and every rerun is a thread of its own.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def bytes_on_disk(folder: Path) -> int:
    """Of all files below a folder; 0 if it is not there."""
    found = 0
    for file in folder.rglob("*"):
        try:
            found += file.stat().st_size if file.is_file() else 0
        except OSError:  # removed since it was listed
            continue
    return found
