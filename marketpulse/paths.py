"""What a rule makes of its money over a tape, in floats: for the thousands of runs of a comparison.

The trades are those of `marketpulse.backtest`, found by the same search and executed by the same
broker. The money is reckoned in floats, which differ from the book's decimals by about 1e-9 of it;
only a purchase that the cash just pays, or just fails to, could be told apart by that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from marketpulse.broker import PAID, QUANTITY, Broker
from marketpulse.chain import Gated, round_trips
from marketpulse.tape import Column, Rows, Tape

# Trades after which the cash is counted, and possible purchases that are looked at together.
CHUNK, AHEAD = 256, 128


@dataclass(frozen=True, slots=True)
class Path:
    """The round trips of one run in time order.

    Attributes
    ----------
    bought, sold : ndarray of shape (k,)
        Rows of the tape at which each was decided on; the tape's length if it was not sold.
    quantity, paid, proceeds : ndarray of shape (k,)
        Base currency; quote currency after fees. Nothing is proceeded without a sale.
    """

    bought: Rows
    sold: Rows
    quantity: Column
    paid: Column
    proceeds: Column

    @property
    def trades(self) -> int:
        """Purchases."""
        return len(self.bought)


def path_of(tape: Tape, broker: Broker, rule: Gated) -> Path:
    """The run of a rule, as far as the cash reaches."""
    trips = round_trips(tape, broker, rule, ahead=AHEAD)
    path = priced(tape, broker, np.empty((0, 2), dtype="int64"))
    rows: list[tuple[int, int]] = []
    while chunk := list(islice(_ended(trips, len(tape)), CHUNK)):
        rows += chunk
        path = priced(tape, broker, np.array(rows))
        if path.trades < len(rows):
            break
    return path


def _ended(trips: Iterator[tuple[int, int | None]], end: int) -> Iterator[tuple[int, int]]:
    return ((bought, end if sold is None else sold) for bought, sold in trips)


def priced(tape: Tape, broker: Broker, rows: Rows) -> Path:
    """The path of given trades, as far as the cash reaches.

    Parameters
    ----------
    tape : Tape
    broker : Broker
    rows : ndarray of shape (k, 2)
        Of purchase and sale, in time order; the tape's length for no sale. Trades of which no
        price came in time are left out.
    """
    sale = np.append(tape.candle, -1)[rows[:, 1]]
    figures = broker.purchases(tape.candle[rows[:, 0]])
    open_to_the_end = rows[:, 1] == len(tape)
    fine = np.isfinite(figures[:, PAID]) & ((sale >= 0) | open_to_the_end)
    rows, sale, figures = rows[fine], sale[fine], figures[fine]
    quantity, paid = figures[:, QUANTITY], figures[:, PAID]
    brought = _proceeds(tape, broker, sale, quantity)
    proceeds = np.where(rows[:, 1] == len(tape), 0.0, brought)
    before = broker.trading.cash + np.cumsum(proceeds - paid) - (proceeds - paid)
    broke = before < paid
    end = int(broke.argmax()) if broke.any() else len(rows)
    return Path(rows[:end, 0], rows[:end, 1], quantity[:end], paid[:end], proceeds[:end])


def _proceeds(tape: Tape, broker: Broker, candles: Rows, quantity: Column) -> Column:
    """What each sale brings at a candle's open, after spread, impact and fee."""
    costs = broker.trading.costs
    slip = np.full(len(candles), costs.half_spread_bps / 1e4)
    if costs.impact_bps:
        volumes = np.array([tape.volume_before(candle) or np.nan for candle in candles.tolist()])
        share = np.nan_to_num(quantity / volumes, nan=1.0)
        slip += costs.impact_bps / 1e4 * np.sqrt(share)
    price = np.append(tape.opens, np.nan)[candles] * (1 - slip)
    return np.asarray(quantity * price * (1 - costs.fee_rate))


def equity_at(tape: Tape, cash: float, path: Path, rows: Rows) -> Column:
    """Cash and position at the closes of some rows, in quote currency. Shape (len(rows),)."""
    closed = tape.times[rows]
    filled = [_fill_times(tape, each) for each in (path.bought, path.sold)]
    bought, sold = (times.searchsorted(closed, side="right") for times in filled)
    spent, brought = (np.append(0.0, np.cumsum(money)) for money in (path.paid, path.proceeds))
    held = np.where(bought > sold, np.append(path.quantity, 0.0)[bought - 1], 0.0)
    return np.asarray(cash - spent[bought] + brought[sold] + held * tape.known["price"][rows])


def _fill_times(tape: Tape, rows: Rows) -> Rows:
    """When the orders of some rows were filled; never for a row beyond the tape."""
    never = np.iinfo(np.int64).max
    candles = np.append(tape.candle, -1)[rows]
    times: Rows = np.append(tape.opened, never)[candles]
    return times


def net(tape: Tape, cash: float, path: Path) -> float:
    """P&L at the last close, in quote currency."""
    if not path.trades:
        return 0.0
    return float(equity_at(tape, cash, path, np.array([len(tape) - 1]))[0]) - cash
