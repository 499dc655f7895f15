"""Whether an installed ccxt fails as the one did that the sources were written against."""

import pytest

from tests import ccxt_contract
from tests.ccxt_contract import VENUES, agreed, compared, differences

ANEW = "look at each, then run: python -m tests.ccxt_contract"


@pytest.mark.parametrize("venue", VENUES)
def test_every_fault_has_the_classes_that_were_agreed(venue: str) -> None:
    found = differences(venue)
    assert not found, "\n".join([*found, ANEW])


def test_a_difference_says_whose_answer_to_what_is_another() -> None:
    before = {"429": ["RateLimitExceeded", "VenueRefused"], "503": ["OnMaintenance", "BadReply"]}
    now = {"429": ["DDoSProtection", "VenueRefused"], "html": ["rows", "BadReply"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ccxt_contract.ccxt, "__version__", "5")
        patch.setattr(ccxt_contract, "agreed", lambda: {"ccxt": "4"})
        told = compared("kraken", before, now)
    assert told[0] == (
        "At '429' of kraken ccxt 5 answers DDoSProtection, where RateLimitExceeded was agreed"
        " with ccxt 4."
    )
    assert len(told) == 5


def test_none_of_the_faults_becomes_candles_of_ours() -> None:
    ours = {kind for outcomes in agreed()["outcomes"].values() for _, kind in outcomes.values()}
    assert "candles" not in ours
