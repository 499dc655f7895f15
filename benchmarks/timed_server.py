"""Streamlit with a stopwatch: ``python -m benchmarks.timed_server run app.py`` serves the very app.

Of every rerun, the CPU and wall time of its script thread, Streamlit's own work on it included, is
appended to the file that `TIMES` names, one JSON object a line.
"""

import json
import os
import time
from pathlib import Path

from streamlit.runtime.scriptrunner.script_runner import (  # noqa: TID251  it is what is measured
    ScriptRunner,
)
from streamlit.web.cli import main  # noqa: TID251

TIMES = "MARKETPULSE_RERUN_TIMES"


def install(times: Path) -> None:
    """Put the stopwatch around every rerun."""
    untimed = ScriptRunner._run_script

    def timed(runner: ScriptRunner, data: object) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            untimed(runner, data)  # type: ignore[arg-type]
        finally:
            spent = {"cpu": time.thread_time() - cpu, "wall": time.perf_counter() - wall}
            line = json.dumps({"session": runner._session_id, **spent})
            with times.open("a") as file:
                file.write(line + "\n")

    ScriptRunner._run_script = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    install(Path(os.environ[TIMES]))
    main()
