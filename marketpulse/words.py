"""Numbers and verdicts as a person would say them."""

import math

import pandas as pd

from marketpulse.evaluation import Tail, Verdict

VERDICT_WORDS: dict[Verdict, str] = {
    "beats naive": "they have beaten 'no change'",
    "no evidence": "they have not yet beaten 'no change'",
    "worse than naive": "they did worse than 'no change'",
}
UNKNOWN = "–"


def price_text(price: float | None) -> str:
    """A price with as many digits as matter: 62,830, 1,843.27, 0.5312, 0.00001234."""
    if price is None or not math.isfinite(price):
        return UNKNOWN
    size = abs(price)
    if size >= 10_000:
        return f"{price:,.0f}"
    if size >= 10:
        return f"{price:,.2f}"
    digits = 4 if size == 0 else min(12, 3 - math.floor(math.log10(size)))
    return f"{price:.{digits}f}"


def money_text(amount: float, currency: str, *, signed: bool = False) -> str:
    """An amount of money: 1,000.00 USD; with its sign if asked for."""
    cents = round(amount, 2)
    sign = "+" if signed and cents > 0 else ""
    return f"{sign}{cents or 0.0:,.2f} {currency}"


def bps_text(bps: float, digits: int = 0) -> str:
    """Signed basis points: +4 bps. What rounds to nothing has no sign."""
    return f"{points_text(bps, digits)} bps"


def points_text(number: float, digits: int = 1) -> str:
    """A signed number: +4.0. What rounds to nothing is 0."""
    return f"{number:+,.{digits}f}" if round(number, digits) else "0"


def percent_text(fraction: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """A fraction in percent: 90.5 %."""
    if fraction is None or not math.isfinite(fraction):
        return UNKNOWN
    percent = round(fraction * 100, digits)
    sign = "+" if signed and percent > 0 else ""
    return f"{sign}{percent or 0.0:.{digits}f} %"


def age_text(age: pd.Timedelta | None) -> str:
    """How long ago: 12 s, 3 min, 2 h 5 min, 3 days."""
    if age is None:
        return UNKNOWN
    seconds = int(age.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 60:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 2 else f"{days} days"


def verdict_text(tail: Tail | None) -> str:
    """What the tail allows one to say of the trees, as the end of a sentence."""
    if tail is None:
        return "no forecast of theirs has come due yet"
    return f"{VERDICT_WORDS[tail.verdict]} (last {tail.n})"
