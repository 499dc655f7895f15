"""Many tasks at once: on all cores, or on a Dask cluster within `scheduled`."""

import re
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib import Parallel, delayed, parallel_config

from marketpulse.errors import SchedulerUnavailable

Progress = Callable[[int, int], None]


# Seconds in which a scheduler must answer.
ANSWER_WITHIN = 10
ADDRESS = re.compile(r"((tcp|tls|ws|wss)://)?[^\s/]+:\d{1,5}")


@contextmanager
def scheduled(address: str | None) -> Iterator[None]:
    """Run what is done in parallel inside on the cluster of a Dask scheduler; here, if None.

    A worker that dies is no matter: the scheduler gives its tasks to the others.

    Raises
    ------
    SchedulerUnavailable
        If it does not answer, or Dask is not installed.
    """
    if address is None:
        yield
        return
    if not ADDRESS.fullmatch(address):
        raise SchedulerUnavailable(f"A scheduler reads like tcp://host:8786, not {address[:100]}.")
    try:
        from distributed import Client
    except ImportError as error:
        raise SchedulerUnavailable(
            "A scheduler needs Dask: pip install -r requirements-dask.txt."
        ) from error
    try:
        client: Any = Client(  # type: ignore[no-untyped-call]
            address, timeout=ANSWER_WITHIN, set_as_default=False
        )
    except (OSError, ValueError) as error:  # a time-out is an OSError
        raise SchedulerUnavailable(f"No Dask scheduler answers at {address[:100]}.") from error
    with client, parallel_config("dask", client=client):
        yield


def in_parallel(
    function: Callable[..., Any],
    tasks: Iterable[tuple[Any, ...]],
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Any]:
    """What the function makes of each task, in their order, as each comes.

    Parameters
    ----------
    function : callable
        Of a module, so that other processes find it.
    tasks : iterable of tuple
        Arguments.
    progress : callable, optional
        Called with the tasks done and all tasks, in this process.
    stop : callable, optional
        Asked after each task whether to end here: what is not done then is left out.
    """
    todo = list(tasks)
    made = Parallel(n_jobs=-1, return_as="generator")(delayed(function)(*task) for task in todo)
    try:
        for done, each in enumerate(made, 1):
            yield each
            if progress is not None:
                progress(done, len(todo))
            if stop is not None and stop():
                return
    finally:
        _cancel(made)


def _cancel(made: Generator[Any, None, None]) -> None:
    with warnings.catch_warnings():
        # joblib warns of the tasks that are cancelled, which is what is meant.
        warnings.simplefilter("ignore", UserWarning)
        made.close()
