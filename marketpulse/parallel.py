"""Many tasks at once: on all cores, or wherever joblib has been told to run them.

``with joblib.parallel_config("dask"):`` around a call sends the tasks to the Dask cluster that is
connected.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from joblib import Parallel, delayed

Progress = Callable[[int, int], None]


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
