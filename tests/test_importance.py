import numpy as np
import pandas as pd
import pytest

from marketpulse.dataset import build
from marketpulse.features import FEATURES, SPREAD_ONLY
from marketpulse.horizons import MINUTE
from marketpulse.importance import importance
from marketpulse.model import Plan, fit
from tests.build import START, walk

PLAN = Plan(train_bars=1_200, min_train_bars=800, calibration_bars=400)
FIT_AT = START + pd.Timedelta(hours=36)


@pytest.fixture(scope="module")
def data():
    """A walk whose next return is half of the last one."""
    return build(walk(2_600, memory=0.5), MINUTE)


@pytest.fixture(scope="module")
def table(data):
    return importance(fit(data, FIT_AT, PLAN), data)


def test_the_feature_that_moves_the_price_is_worth_most_to_the_centre(table):
    assert table["centre"].idxmax() == "return_1"
    assert table.loc["return_1", "centre"] > 0.05
    assert table["centre"].drop("return_1").max() < table.loc["return_1", "centre"] / 2


def test_every_feature_has_a_row_and_only_the_centres_own_have_a_worth_to_it(table):
    assert set(table.index) == set(FEATURES)
    assert table.index.name == "feature"
    assert set(table.index[table["centre"].isna()]) == SPREAD_ONLY
    assert table["spread"].notna().all()


def test_those_that_matter_come_first(table):
    first = table.iloc[:2]
    assert table["centre"].idxmax() in first.index
    assert table["spread"].idxmax() in first.index


def test_the_same_model_and_candles_give_the_same_worth(data, table):
    pd.testing.assert_frame_equal(importance(fit(data, FIT_AT, PLAN), data), table)


def test_what_came_after_the_fit_changes_nothing(table):
    later = walk(2_600, memory=0.5)
    after = later.index >= FIT_AT
    later.loc[after, ["open", "high", "low", "close"]] *= np.linspace(1, 3, after.sum())[:, None]
    changed = build(later, MINUTE)
    pd.testing.assert_frame_equal(importance(fit(changed, FIT_AT, PLAN), changed), table)
