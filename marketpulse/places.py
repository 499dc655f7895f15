"""Where the process keeps its files and its books, as its environment says."""

import os
from pathlib import Path

HOME_VARIABLE = "MARKETPULSE_HOME"
MODELS_VARIABLE = "MARKETPULSE_MODELS"
DATABASE_VARIABLE = "MARKETPULSE_DATABASE_URL"
SCHEDULER_VARIABLE = "MARKETPULSE_SCHEDULER"
# Streamlit Community Cloud runs an app from here, on a disk that is emptied whenever it restarts.
_CLOUD = Path("/mount/src")


def home_folder() -> Path:
    """Where the process keeps its files: ``MARKETPULSE_HOME``, or ``var`` beside the app."""
    return Path(os.environ.get(HOME_VARIABLE) or Path(__file__).parents[1] / "var")


def models_folder() -> Path:
    """Where fitted models are kept: ``MARKETPULSE_MODELS``, or ``models`` beside the app."""
    return Path(os.environ.get(MODELS_VARIABLE) or Path(__file__).parents[1] / "models")


def journal_url(home: Path, chosen: str | None = None) -> str:
    """URL of the database of all paper books.

    Parameters
    ----------
    home : pathlib.Path
        Where it is a file, if nothing else is said.
    chosen : str or None
        What the app's secrets say; the environment comes first.
    """
    asked = os.environ.get(DATABASE_VARIABLE) or chosen
    return asked or f"sqlite:///{home / 'journal.db'}"


def scheduler_address(chosen: str | None = None) -> str | None:
    """Address of the Dask scheduler that backtests may run on; None if there is none.

    Only who runs the server names it: whoever answers there can run code here, and the other way.

    Parameters
    ----------
    chosen : str or None
        What the app's secrets say; the environment comes first.
    """
    return os.environ.get(SCHEDULER_VARIABLE) or chosen or None


def is_fleeting(url: str, app: Path = Path(__file__)) -> bool:
    """Whether a journal at this URL is lost with the next restart of the host.

    Parameters
    ----------
    url : str
    app : pathlib.Path
        Where the app's own files are.
    """
    return url.startswith("sqlite") and app.is_relative_to(_CLOUD)
