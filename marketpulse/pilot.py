"""The auto-pilot: what an armed book orders when a bar has closed.

It sees what the screen shows of the same settings, and only the settings that it was armed with
drive it. A bar on which nothing was decided is listed and never traded afterwards.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pandas as pd

from marketpulse import orders, sizing
from marketpulse.backtest import holding
from marketpulse.events import Armed, Missed, Order, Rejection
from marketpulse.horizons import ONE_MINUTE
from marketpulse.ledger import Ledger, equity
from marketpulse.report import Report, signal, thresholds_of, visitor_limits
from marketpulse.risk import Mark, must_sell
from marketpulse.settings import DEFAULTS, Settings
from marketpulse.signals import Signal, Thresholds
from marketpulse.snapshot import Snapshot
from marketpulse.strategies import chance_of_profit
from marketpulse.tickets import judged, rejected
from marketpulse.words import chance_text

PREFIX = "auto/"


def settings_of(armed: Armed) -> Settings:
    """The settings that a book was armed with."""
    return Settings.from_query(dict(armed.settings))


def rule_of(settings: Settings) -> Settings:
    """The settings without those that say what is looked at and how often: what trades."""
    plain = DEFAULTS
    return replace(
        settings,
        symbol=plain.symbol,
        source=plain.source,
        speed=plain.speed,
        refresh=plain.refresh,
        zone=plain.zone,
    )


def ready(seen: Report) -> bool:
    """Whether both forecasts are there, of the horizons that were asked for."""
    return not (seen.decisions.empty or seen.minute.waiting or seen.long.waiting)


def order_id(as_of: pd.Timestamp) -> str:
    """The id of what is ordered at a bar's close: one order for each bar, whoever decides."""
    return f"{PREFIX}{as_of.isoformat()}"


def decided(ledger: Ledger, seen: Report, snapshot: Snapshot) -> tuple[Order | Rejection, ...]:
    """What is ordered at the newest closed bar, with its rejection if a limit blocks it.

    Nothing while another order waits, or if the signal is to hold.

    Parameters
    ----------
    ledger : Ledger
        Of the armed book.
    seen : Report
        Of the settings that it was armed with; `ready`.
    snapshot : Snapshot
        Its time is that of the order, and its price the one that was seen.
    """
    price = snapshot.price
    if snapshot.as_of is None or price is None or ledger.pending:
        return ()
    said = signal_of(ledger, seen, snapshot)
    if broken := broken_limit(ledger, seen.settings, snapshot):
        said = Signal("sell", snapshot.as_of, (), None, (broken,))
    if said is None or said.side == "hold":
        return ()
    order = _order(said, ledger, seen, snapshot, price)
    if order is None:
        return ()
    why = judged(order, ledger, snapshot, snapshot.now, visitor_limits(seen.settings))
    return (order, rejected(order, why)) if why else (order,)


def signal_of(ledger: Ledger, seen: Report, snapshot: Snapshot) -> Signal | None:
    """The signal of the newest closed bar for a book: what the screen shows is what is done.

    None while there are no forecasts.
    """
    held = holding(ledger, snapshot.key.symbol, Thresholds.of(seen.settings))
    broken = broken_limit(ledger, seen.settings, snapshot)
    return signal(seen, snapshot, held, broken, intended(ledger, seen, snapshot))


def intended(ledger: Ledger, seen: Report, snapshot: Snapshot) -> float:
    """How much the auto-pilot would trade now, in quote currency: what moves the price.

    A fixed amount stands for its sale as well, as it does in a backtest.
    """
    symbol, price = snapshot.key.symbol, snapshot.price
    if seen.settings.sizing == "fixed" or price is None:
        return seen.settings.ticket
    held = ledger.positions.get(symbol)
    if held is not None:
        return float(held.quantity) * price
    return float(_amount(ledger, seen, symbol, price))


def chance_line(ledger: Ledger, seen: Report, snapshot: Snapshot, said: Signal) -> str:
    """How likely it is that the trade leaves something, as a sentence; empty if nobody knows.

    By the bands of the forecast that the signal was decided on, whatever the rule.
    """
    if not said.terms:
        return ""
    at = replace(thresholds_of(seen.settings, intended(ledger, seen, snapshot)), margin_bps=0.0)
    held = holding(ledger, snapshot.key.symbol, at)
    chance = chance_of_profit(seen.decisions.iloc[-1].to_dict(), seen.costs, at, held)
    if math.isnan(chance):
        return ""
    told = f"by the bands: {chance_text(chance)}"
    if held is None:
        minutes = seen.long.outlook.horizon.minutes
        return f"Chance of a net profit {minutes} min after a purchase, {told}."
    minutes = seen.minute.outlook.horizon.minutes
    return f"Chance of a net profit from a sale in {minutes} min, {told}."


def broken_limit(ledger: Ledger, settings: Settings, snapshot: Snapshot) -> str:
    """Why a risk limit of the settings wants sold what is held, as a sentence; or nothing."""
    symbol, price = snapshot.key.symbol, snapshot.price
    if symbol not in ledger.positions or price is None or not _may_act(snapshot):
        return ""
    mark = Mark.of(snapshot.candles, price, snapshot.now)
    return must_sell(symbol, ledger, mark, visitor_limits(settings))


def decided_up_to(ledger: Ledger) -> pd.Timestamp:
    """Close of the last bar that an armed book's events show to be dealt with.

    Bars on which it decided to hold leave no event, so the truth may be later.
    """
    known = [event.time for event in (ledger.armed,) if event is not None]
    known.extend(_dealt_with(ledger))
    return max(known)


def missed(since: pd.Timestamp, as_of: pd.Timestamp, now: pd.Timestamp) -> Missed | None:
    """The bars that closed after ``since`` and before ``as_of``; None if there are none."""
    first, last = since.floor("min") + ONE_MINUTE, as_of - ONE_MINUTE
    if first > last:
        return None
    bars = int((last - first) / ONE_MINUTE) + 1
    return Missed(f"missed/{first.isoformat()}", now, first, last, bars)


def _may_act(snapshot: Snapshot) -> bool:
    return not (snapshot.stale or snapshot.ended)


def _order(
    said: Signal, ledger: Ledger, seen: Report, snapshot: Snapshot, price: float
) -> Order | None:
    terms = orders.Terms(
        id=order_id(said.as_of),
        time=snapshot.now,
        symbol=snapshot.key.symbol,
        seen=price,
        costs=seen.costs,
        origin="auto-pilot",
        reason=said.reasons[0],
    )
    if said.side == "sell":
        return orders.sell_all(**terms)
    amount = _amount(ledger, seen, snapshot.key.symbol, price)
    return orders.buy(amount, **terms) if amount else None


def _amount(ledger: Ledger, seen: Report, symbol: str, price: float) -> Decimal:
    """What a purchase spends, in quote currency; 0 if there is no cash for a share of equity."""
    chosen, cash, costs = seen.settings, ledger.cash, seen.costs
    if chosen.sizing == "fixed":  # whole or, for want of cash, refused: as in a backtest
        return orders.amount_of(chosen.ticket)
    worth, share = equity(ledger, {symbol: price}), chosen.share / 100
    forecast = seen.long.forecast
    if chosen.sizing == "share" or forecast is None:
        return sizing.share_of_equity(share, worth, cash, costs)
    # On a usual day it is the share itself, and half of it when it is to be twice as wild.
    risk = share * forecast.usual_move
    return sizing.volatility_scaled(risk, forecast.expected_move, worth, cash, costs)


def _dealt_with(ledger: Ledger) -> Iterator[pd.Timestamp]:
    """Closes of bars that events since the arming speak of, the newest first."""
    for event in reversed(ledger.events):
        if event is ledger.armed:
            return
        if isinstance(event, Missed):
            yield event.last
        elif isinstance(event, Order) and event.id.startswith(PREFIX):
            yield pd.Timestamp(event.id.removeprefix(PREFIX))
