"""Plotly for the browser, from the Python package of that name to where Streamlit serves files.

Nothing is fetched from another host. Streamlit serves what lies in ``static/`` beside ``app.py``,
but follows no link out of it and compresses every file anew for every visitor. So the library is
put there once, compressed, and the browser unpacks it.
"""

import gzip
import os
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile

import plotly

SOURCE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
FOLDER = Path(__file__).parents[3] / "static"
# Level 9 takes a quarter longer and saves a fifth of a percent.
LEVEL = 6
# Streamlit does not say for how long a file may be kept. A browser then keeps it for a tenth of its
# age, so a file this old stays for years; its name says which version it is.
LONG_AGO = 1_000_000_000


@cache
def served_library() -> str:
    """Name of the library among the served files; put there unless it is.

    Raises
    ------
    OSError
        If the package has no library, or the folder cannot be written to.
    """
    name = f"plotly-{plotly.__version__}.min.js.gz"
    if not (FOLDER / name).is_file():
        _pack(SOURCE, FOLDER / name)
    return name


def _pack(source: Path, target: Path) -> None:
    """Compress a file. Whoever looks meanwhile sees the whole result or nothing."""
    packed = gzip.compress(source.read_bytes(), LEVEL, mtime=0)
    target.parent.mkdir(exist_ok=True)
    with NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(packed)
    Path(file.name).chmod(0o644)
    os.utime(file.name, (LONG_AGO, LONG_AGO))
    Path(file.name).replace(target)
