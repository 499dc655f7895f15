"""Every knob: its default, unit and bounds, and how it travels in a URL.

Values come from sliders, links and commands. All of them pass `Settings.from_query` or
`Settings.changed`, which clamp on the server whatever the browser sends.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from marketpulse.horizons import LONG, MINUTE, Horizon
from marketpulse.rulebook import RULES
from marketpulse.terms import Centre as Centre
from marketpulse.terms import Reference as Reference

DEFAULT_SYMBOL = "BTC/USD"
SYMBOL_PATTERN = re.compile(r"[A-Z0-9]{1,10}/[A-Z]{3,5}")
SOURCE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
REPLAY_SPEEDS = (1, 10, 60)
CENTRES: tuple[Centre, ...] = ("trusted", "raw")
REFERENCES: tuple[Reference, ...] = ("last buy", "average cost")


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
    fee: float | None = _number(
        None,  # the venue's own taker fee
        Knob(
            0,
            200,
            1,
            "bps",
            "Fee for each trade",
            "The venue's taker fee unless you set your own. 100 bps are 1 %.",
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


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "Lean": {
        "rule": "distance",
        "centre": "raw",
        "buy_mae": 0.0,
        "sell_mae": 0.0,
        "margin": 0.0,
        "fee": 0.0,
    },
    "After costs": {
        "rule": "distance",
        "centre": "trusted",
        "buy_mae": 0.25,
        "sell_mae": 0.25,
        "margin": 0.0,
        "fee": None,
    },
    "Strict": {
        "rule": "distance",
        "centre": "trusted",
        "buy_mae": 1.0,
        "sell_mae": 1.0,
        "margin": 0.0,
        "fee": None,
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
    return str(value).removesuffix(".0")


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
    whole = {"refresh", "minute", "long", "tail", "hold"}
    if name in whole:
        return lambda value: round(_bounded(name, value))
    return lambda value: _bounded(name, value)


_PARSERS: dict[str, Any] = {name: _parser(name) for name in KNOBS} | {
    "symbol": lambda value: _matching(SYMBOL_PATTERN, str(value).upper()),
    "source": lambda value: _matching(SOURCE_PATTERN, value),
    "speed": lambda value: _one_of(REPLAY_SPEEDS, value),
    "centre": lambda value: _one_of(CENTRES, value),
    "reference": lambda value: _one_of(REFERENCES, value),
    "rule": lambda value: _one_of(tuple(RULES), value),
}

_OPTIONAL = ("fee", "hold")


def _clamped(name: str, value: object, otherwise: object) -> Any:
    if value is None and name in _OPTIONAL:
        return None
    try:
        return _PARSERS[name](value)
    except (ValueError, StopIteration, OverflowError):
        return otherwise


DEFAULTS = Settings()
