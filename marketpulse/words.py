"""Numbers and verdicts as a person would say them."""

import math
from collections.abc import Iterable
from itertools import groupby

import pandas as pd

from marketpulse.breakdown import CALMER, WILDER, WildnessRecord, independent, share_interval
from marketpulse.evaluation import Tail, Verdict
from marketpulse.horizons import Horizon
from marketpulse.scoreboard import Scoreboard
from marketpulse.settings import KNOBS, Settings

VERDICT_WORDS: dict[Verdict, str] = {
    "beats naive": "they have beaten 'no change'",
    "no evidence": "they have not yet beaten 'no change'",
    "worse than naive": "they did worse than 'no change'",
}
PROVEN_WORDS: dict[Verdict, str] = {
    "beats naive": "and the last {n} forecasts beat 'no change'",
    "no evidence": "but the last {n} forecasts do not prove that this beats 'no change'",
    "worse than naive": "but the last {n} forecasts did worse than 'no change'",
}
SCORE_WORDS: dict[Verdict, str] = {
    "beats naive": "You have beaten a coin",
    "no evidence": "No evidence yet that you differ from a coin",
    "worse than naive": "You did worse than a coin",
}
UNKNOWN = "–"
# What a cleaning rule is about, before and after the word that is counted.
RULE_WORDS: dict[str, tuple[str, str]] = {
    "price": ("candle", "without a usable price dropped"),
    "range": ("candle", "with an impossible high or low dropped"),
    "future": ("candle", "from the future dropped"),
    "time": ("candle", "with an impossible time dropped"),
    "duplicate": ("repeated candle", "merged"),
    "conflict": ("candle", "told twice with different prices"),
    "volume": ("candle", "without a usable volume"),
    "wick": ("candle", "with a wick that forecasts ignore"),
    "jump": ("candle", "with a sudden jump of the price"),
    "revised": ("closed candle", "revised by the venue"),
}
# What the 9-in-10 band should hold, and how far from it is still right.
RIGHT_COVERAGE, NEAR = 0.9, 0.03
# Below as many independent outcomes no band is judged, and below as many statements no kind.
FEW_OUTCOMES, FEW_STATEMENTS = 20, 10


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


def price_digits(price: float) -> int:
    """Digits after the point for amounts of such a price: two, or more for cheap coins."""
    return max(2, len(price_text(price).partition(".")[2]))


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


def chance_text(chance: float) -> str:
    """A chance whose ends stand for all beyond them: 5 % or less, 40 %, 95 % or more."""
    known = round(chance, 9)
    beyond = " or less" if known <= 0.05 else " or more" if known >= 0.95 else ""
    return f"{percent_text(known, 0)}{beyond}"


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


def rule_text(rule: str, count: int) -> str:
    """What a cleaning rule did, as a short phrase: 2 candles without a usable price dropped.

    Parameters
    ----------
    rule : str
        As a `marketpulse.candles.CandleReport` names it, or ``revised``.
    count : int
        Candles that it applied to, at least 1.
    """
    what, done = RULE_WORDS[rule]
    return f"{count:,} {what if count == 1 else f'{what}s'} {done}"


def settings_text(settings: Settings) -> str:
    """What differs from the defaults, in words; that nothing does, if it is so."""
    changed = settings.to_query()
    if not changed:
        return "the default settings"
    return ", ".join(_setting_text(name, value) for name, value in changed.items())


def _setting_text(name: str, value: str) -> str:
    knob = KNOBS.get(name)
    if knob is None:
        return f"{name} {value}"
    return f"{knob.label[0].lower()}{knob.label[1:]} {value} {knob.unit}".rstrip()


def verdict_text(tail: Tail | None) -> str:
    """What the tail allows one to say of the trees, as the end of a sentence."""
    if tail is None:
        return "no forecast of theirs has come due yet"
    return f"{VERDICT_WORDS[tail.verdict]} (last {tail.n})"


def score_text(board: Scoreboard) -> str:
    """How often a visitor was right, beside the trees and a coin; Markdown."""
    rights = (("you", board.you), ("trees", board.trees), ("coin", board.coin))
    counts = {
        who: f"{who} {right:,} of {board.n:,}".replace(" ", "\u00a0") for who, right in rights
    }
    return f"**{counts['you'].capitalize()}** · {counts['trees']} · {counts['coin']}"


def score_verdict_text(board: Scoreboard) -> str:
    """What the scoreboard allows one to say, and what is still to come; empty without a call."""
    parts = [f"{SCORE_WORDS[board.verdict]} (last {board.n:,})." if board.n else ""]
    if board.waiting:
        what = "call waits for its" if board.waiting == 1 else "calls wait for their"
        parts.append(f"{board.waiting:,} {what} outcome.")
    return " ".join(filter(None, parts))


def trust_text(horizon: Horizon, trust: float, tail: Tail) -> str:
    """What may be trusted of a horizon's forecasts, in two sentences.

    Parameters
    ----------
    horizon : Horizon
    trust : float
        Of the model in charge, 0 to 1.
    tail : Tail
        Of the forecasts that it is judged by.
    """
    centre = f"The trees' {horizon.minutes}-minute centre has earned"
    if trust > 0:
        proven = PROVEN_WORDS[tail.verdict].format(n=f"{tail.n:,}")
        share = percent_text(trust, 0)
        first = f"{centre} {share} of trust: so much of its lean is in the forecast, {proven}."
    else:
        first = f"{centre} no trust: the forecast is the last price."
    # No line ends between a number and its unit.
    return f"{first} {_band_text(horizon, tail)}".replace(" %", "\u00a0%")


def _band_text(horizon: Horizon, tail: Tail) -> str:
    count = independent(tail.n, horizon)
    low, high = share_interval(tail.coverage_90, count)
    held = f"{percent_text(tail.coverage_90)} of {tail.n:,}"
    if count < FEW_OUTCOMES:
        return f"Its 9-in-10 band held {held}: too few to judge it by."
    if abs(tail.coverage_90 - RIGHT_COVERAGE) <= NEAR:
        return f"Its 9-in-10 band may be trusted: it held {held}."
    if high < RIGHT_COVERAGE:
        return f"Its 9-in-10 band was too narrow: it held only {held}. Expect wider swings."
    if low > RIGHT_COVERAGE:
        return f"Its 9-in-10 band was too wide: it held {held}. Expect smaller swings."
    return f"Its 9-in-10 band is not proven wrong: it held {held}, by chance it may be."


def source_text(*, from_record: bool, recorded: int, pending: int) -> str:
    """Whether forecasts were said live, in a few words: for a caption."""
    if from_record:
        return "on record, said live"
    waiting = f", {pending:,} pending" if pending else ""
    counts = f" ({recorded:,} settled on record{waiting})" if recorded or pending else ""
    return f"walk-forward, what the models would have said{counts}"


def wildness_text(minutes: int, wildness: float | None, record: WildnessRecord) -> str:
    """How wild the next minutes should be, and how such statements fared; Markdown.

    Parameters
    ----------
    minutes : int
        The horizon.
    wildness : float or None
        Expected size of the move over the usual one of this hour.
    record : WildnessRecord
    """
    ahead = f"Next {minutes} min"
    if wildness is None or not math.isfinite(wildness):
        return ""
    if CALMER < wildness < WILDER:
        return f"{ahead}: **about as wild as usual** at this hour."
    kind = "wilder" if wildness >= WILDER else "calmer"
    said = f"{ahead}: **{kind} than usual** at this hour, {wildness:.1f} × the norm."
    known = _record_text(record)
    return f"{said} :gray[:small[{known}]]" if known else said


def _record_text(record: WildnessRecord) -> str:
    """How often the move was larger than usual after either statement."""
    parts = [
        f"{percent_text(larger / count, 0)} of {count:,} times after '{kind}'"
        for kind, larger, count in (
            ("wilder", record.wilder_larger, record.wilder),
            ("calmer", record.calmer_larger, record.calmer),
        )
        if count >= FEW_STATEMENTS
    ]
    return f"The move was larger than usual {', '.join(parts)}." if parts else ""


def strip_text(held: Iterable[bool]) -> str:
    """Outcomes in a row, oldest first: ● inside the band, ○ outside. Markdown with HTML."""
    outcomes = list(held)
    if not outcomes:
        return ""
    # On a phone the count goes to the next line as a whole.
    count = f"{sum(outcomes)}\u00a0of\u00a0{len(outcomes)}\u00a0inside the 9-in-10 band"
    dots = "".join(
        f":blue[{'●' * len(list(run))}]" if fine else f":orange[{'○' * len(list(run))}]"
        for fine, run in groupby(outcomes)
    )
    return f'<span role="img" aria-label="Last forecasts: {count}">{dots}</span> {count}'
