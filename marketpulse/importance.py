"""What a model's features are worth: how much worse it gets when one of them is scrambled."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from marketpulse.dataset import Dataset
from marketpulse.features import FEATURES
from marketpulse.model import CENTRE_COLUMNS, HorizonModel, rows_seen

Array = npt.NDArray[np.float64]

REPEATS = 5


def importance(model: HorizonModel, data: Dataset) -> pd.DataFrame:
    """Permutation importance on the model's own calibration slice, which no fit has seen.

    Takes up to a second: for a worker, not for a page.

    Parameters
    ----------
    model : HorizonModel
    data : Dataset
        Must reach back to the first row that the model has seen.

    Returns
    -------
    pandas.DataFrame
        One row per feature, indexed by ``feature``; first those that rank highest in either part.
        ``centre`` and ``spread``: by how much the mean absolute error of each part grows when the
        column is permuted, as a fraction of what it is (Breiman 2001; the mean of `REPEATS`). Zero
        or less is of no use; NaN is not among that part's columns.
    """
    rows = rows_seen(data, model.fit_at, model.plan).calibrate
    known = data.usable[rows] & np.isfinite(data.y[rows])
    X, y, size = (values[rows][known] for values in (data.X, data.y, data.size))
    names = list(FEATURES)
    centre = _worth(model.centre, X[:, CENTRE_COLUMNS], y)
    columns = {
        "centre": pd.Series(centre, index=[names[column] for column in CENTRE_COLUMNS]),
        "spread": pd.Series(_worth(model.spread, X, size), index=names),
    }
    table = pd.DataFrame(columns, index=pd.Index(names, name="feature"))
    best_rank = table.rank(ascending=False).min(axis=1)
    return table.loc[best_rank.sort_values(kind="stable").index]


def _worth(trees: Any, X: Array, y: Array) -> Array:
    """Mean growth of the absolute error for each column, as a fraction of it. Shape (f,)."""
    # scikit-learn takes a second to import, so only when it is needed.
    from sklearn.inspection import permutation_importance

    error = float(np.mean(np.abs(trees.predict(X) - y)))
    found = permutation_importance(
        trees, X, y, scoring="neg_mean_absolute_error", n_repeats=REPEATS, random_state=0
    )
    worth: Array = found.importances_mean / error if error > 0 else found.importances_mean * 0.0
    return worth
