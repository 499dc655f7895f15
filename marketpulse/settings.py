"""Every knob: its default, unit and bounds, and how it travels in a URL.

Values come from sliders, links and commands. All of them pass `Settings.from_query` or
`Settings.changed`, which clamp on the server whatever the browser sends.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from marketpulse.costs import FEES
from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.rulebook import RULES
from marketpulse.terms import Centre as Centre
from marketpulse.terms import Reference as Reference

Sizing = Literal["fixed", "share", "volatility"]
# In which zone times are told: the one of the visitor's browser if it is local.
Zone = Literal["UTC", "local"]

DEFAULT_SYMBOL = "BTC/USD"
SYMBOL_PATTERN = re.compile(r"[A-Z0-9]{1,10}/[A-Z]{3,5}")
SOURCE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
REPLAY_SPEEDS = (1, 10, 60)
CENTRES: tuple[Centre, ...] = ("trusted", "raw")
REFERENCES: tuple[Reference, ...] = ("last buy", "average cost")
SIZINGS: tuple[Sizing, ...] = ("fixed", "share", "volatility")
ZONES: tuple[Zone, ...] = ("UTC", "local")
# Of the venue in use, none at all, or those of one venue whatever is in use.
VENUE_FEES = ("taker", "maker", "zero")
FEE_CHOICES = (
    *VENUE_FEES,
    *(
        f"{venue} {kind}"
        for venue in FEES
        if venue not in ("zero", "yahoo")
        for kind in ("taker", "maker")
    ),
)


@dataclass(frozen=True, slots=True)
class Knob:
    """What a number may be.

    Attributes
    ----------
    low, high, step : float
        Bounds, both allowed, and the step of its slider.
    unit : str
        Printed after the number.
    label, help : str
        In the user's words.
    """

    low: float
    high: float
    step: float
    unit: str
    label: str
    help: str


def _number(default: float | None, knob: Knob) -> Any:
    return field(default=default, metadata={"knob": knob})


@dataclass(frozen=True, slots=True)
class Settings:
    """What one visitor asked for. Frozen and hashable, so that it can key a cache."""

    symbol: str = DEFAULT_SYMBOL
    source: str = "auto"
    speed: int = 60
    refresh: int = _number(
        5, Knob(2, 60, 1, "s", "Refresh every", "How often the page asks for what is new.")
    )
    zone: Zone = "UTC"
    minute: int = _number(
        MINUTE.steps,
        Knob(1, 15, 1, "min", "Minute model looks ahead", "Its target time, on 1-minute bars."),
    )
    long: int = _number(
        LONG.steps,
        Knob(3, 24, 1, "× 5 min", "Long model looks ahead", "Its target time, on 5-minute bars."),
    )
    tail: int = _number(
        200,
        Knob(
            50,
            1000,
            50,
            "forecasts",
            "Judge by the last",
            "Metrics, verdict and MAE come from this many most recent forecasts.",
        ),
    )
    buy_mae: float = _number(
        0.25,
        Knob(
            0,
            3,
            0.05,
            "× MAE",
            "Safety margin to buy",
            "This many times the long model's mean absolute error is taken off its forecast.",
        ),
    )
    sell_mae: float = _number(
        0.25,
        Knob(
            0,
            3,
            0.05,
            "× MAE",
            "Safety margin to sell",
            "This many times the minute model's mean absolute error is taken off its forecast.",
        ),
    )
    margin: float = _number(
        0,
        Knob(
            -100,
            100,
            1,
            "bps",
            "Profit margin",
            "What must be left after costs. Below zero, trades may lose on purpose.",
        ),
    )
    fees: str = "taker"
    fee: float | None = _number(
        None,  # that of `fees`
        Knob(
            0,
            200,
            1,
            "bps",
            "Fee for each trade",
            "That of the choice above unless you set your own here. 100 bps are 1 %.",
        ),
    )
    spread: float = _number(
        1.0,
        Knob(
            0,
            50,
            0.5,
            "bps",
            "Half the spread",
            "From the middle to the bid or the ask: a purchase pays it, and so does a sale.",
        ),
    )
    impact: float = _number(
        10,
        Knob(
            0,
            500,
            5,
            "bps",
            "Impact of a whole bar",
            "How far an order as large as a minute's volume moves the price; one of a quarter of"
            " that moves it half as far.",
        ),
    )
    latency: float = _number(
        0.0,
        Knob(
            0,
            60,
            0.5,
            "s",
            "Latency",
            "An order is filled at the first price that is so much later than the click.",
        ),
    )
    hold: int | None = _number(
        None,  # the long horizon
        Knob(
            0,
            240,
            5,
            "min",
            "Sell at the latest after",
            "When the forecast that bought has expired. 0 is never: then only a profit sells.",
        ),
    )
    ticket: float = _number(
        1000,
        Knob(1, 1_000_000, 100, "", "Amount of a trade", "In the quote currency, before fees."),
    )
    sizing: Sizing = "fixed"
    share: float = _number(
        10,
        Knob(
            1,
            100,
            1,
            "% of equity",
            "Share of a purchase",
            "What the auto-pilot spends at once, unless it spends the fixed amount.",
        ),
    )
    max_position: float = _number(
        100,
        Knob(
            1,
            100,
            1,
            "% of equity",
            "Largest position",
            "A purchase that would make the position worth more is refused.",
        ),
    )
    max_loss: float = _number(
        100,
        Knob(
            1,
            100,
            1,
            "% of the day's opening equity",
            "Loss in a day",
            "Once more is lost since midnight UTC, nothing is bought, and the auto-pilot sells what"
            " it holds. 100 is no limit.",
        ),
    )
    max_trades: int = _number(
        60,
        Knob(
            1,
            600,
            1,
            "an hour",
            "Most trades",
            "After so many fills within an hour no purchase is taken.",
        ),
    )
    centre: Centre = "trusted"
    reference: Reference = "last buy"
    rule: str = "distance"
    chance: float = _number(
        60,
        Knob(
            5,
            95,
            5,
            "%",
            "Chance of a profit",
            "For the rule by chance: the bands must make a net profit at least so likely.",
        ),
    )

    @property
    def horizons(self) -> tuple[Horizon, Horizon]:
        """The minute and the long horizon that were asked for."""
        return MINUTE.with_steps(self.minute), LONG.with_steps(self.long)

    @property
    def hold_minutes(self) -> int | None:
        """Minutes after which a bought position is sold; None is never."""
        minutes = self.horizons[1].minutes if self.hold is None else self.hold
        return minutes or None

    @property
    def quote_currency(self) -> str:
        """The currency in which prices and cash are counted."""
        return self.symbol.split("/")[1]

    def changed(self, **values: Any) -> "Settings":
        """These settings with some values replaced, each clamped to its bounds.

        What cannot be understood at all leaves the value as it was.
        """
        known = {name: value for name, value in values.items() if name in _PARSERS}
        return replace(self, **{k: _clamped(k, v, getattr(self, k)) for k, v in known.items()})

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Settings":
        """Settings of a URL's query; unknown keys and nonsense are ignored."""
        return cls().changed(**{key: query[key] for key in query if key in _PARSERS})

    def to_query(self) -> dict[str, str]:
        """The query that reproduces these settings: what differs from the defaults, no more."""
        pairs = ((f.name, getattr(self, f.name), f.default) for f in fields(self))
        return {name: _text(value) for name, value, default in pairs if value != default}

    def to_pairs(self) -> tuple[tuple[str, str], ...]:
        """Every setting by its name, the defaults included, as the pairs of a query."""
        return tuple((f.name, _text(getattr(self, f.name))) for f in fields(self))


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "Lean": {
        "rule": "distance",
        "centre": "raw",
        "buy_mae": 0.0,
        "sell_mae": 0.0,
        "margin": 0.0,
        "fees": "taker",
        "fee": 0.0,
        "spread": 0.0,
    },
    "After costs": {
        "rule": "distance",
        "centre": "trusted",
        "buy_mae": 0.25,
        "sell_mae": 0.25,
        "margin": 0.0,
        "fees": "taker",
        "fee": None,
        "spread": 1.0,
    },
    "Strict": {
        "rule": "distance",
        "centre": "trusted",
        "buy_mae": 1.0,
        "sell_mae": 1.0,
        "margin": 0.0,
        "fees": "taker",
        "fee": None,
        "spread": 1.0,
    },
}
PRESET_HELP: Mapping[str, str] = {
    "Lean": "Acts on what the trees say. Ignores uncertainty and costs.",
    "After costs": "Acts on what the trees have earned, less a quarter of its error and all fees.",
    "Strict": "As After costs, less the whole of its error.",
}

KNOBS: dict[str, Knob] = {
    f.name: f.metadata["knob"] for f in fields(Settings) if "knob" in f.metadata
}


def _text(value: object) -> str:
    """The shortest text that is read back as the same value."""
    return UNSET if value is None else str(value).removesuffix(".0")


def _finite(value: object) -> float:
    number = float(str(value))
    if not math.isfinite(number):
        raise ValueError(f"not a finite number: {value!r}")
    return number


def _bounded(name: str, value: object) -> float:
    knob = KNOBS[name]
    return min(max(_finite(value), knob.low), knob.high)


def _matching(pattern: re.Pattern[str], value: object) -> str:
    text = str(value).strip()
    if not pattern.fullmatch(text):
        raise ValueError(f"not allowed: {text[:40]!r}")
    return text


def _one_of(choices: tuple[Any, ...], value: object) -> Any:
    return next(choice for choice in choices if str(choice) == str(value))


def _parser(name: str) -> Any:
    whole = {"refresh", "minute", "long", "tail", "hold", "max_trades"}
    if name in whole:
        return lambda value: round(_bounded(name, value))
    return lambda value: _bounded(name, value)


_PARSERS: dict[str, Any] = {name: _parser(name) for name in KNOBS} | {
    "symbol": lambda value: _matching(SYMBOL_PATTERN, str(value).upper()),
    "source": lambda value: _matching(SOURCE_PATTERN, value),
    "speed": lambda value: _one_of(REPLAY_SPEEDS, value),
    "centre": lambda value: _one_of(CENTRES, value),
    "reference": lambda value: _one_of(REFERENCES, value),
    "fees": lambda value: _one_of(FEE_CHOICES, value),
    "sizing": lambda value: _one_of(SIZINGS, value),
    "rule": lambda value: _one_of(tuple(RULES), value),
    "zone": lambda value: _one_of(ZONES, value),
}

_OPTIONAL = ("fee", "hold")
# How a setting is written that was left to what it depends on.
UNSET = "default"


def _clamped(name: str, value: object, otherwise: object) -> Any:
    if name in _OPTIONAL and value in (None, UNSET):
        return None
    try:
        return _PARSERS[name](value)
    except (ValueError, StopIteration, OverflowError):
        return otherwise


DEFAULTS = Settings()
