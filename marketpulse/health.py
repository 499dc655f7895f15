"""How far what is on screen may be relied on: whose candles, how old, and what was done to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

import numpy as np
import pandas as pd

from marketpulse.candles import CandleReport
from marketpulse.horizons import ONE_MINUTE
from marketpulse.snapshot import Snapshot
from marketpulse.sources import VenueState
from marketpulse.sources.recorded import Replay
from marketpulse.words import UNKNOWN, age_text, percent_text, rule_text
from marketpulse.zones import UTC, time_text, zone_name

Freshness = Literal["fresh", "late", "stale"]
Tone = Literal["off", "blue", "yellow", "red"]

# Venues publish a bar some seconds after its close; a second one is not missed by that.
LATE_BARS = 2
# A price is old after two refreshes, but an ordinary pause between two trades is no news.
OLD_PRICE = pd.Timedelta(seconds=30)
OLD_REFRESHES = 2
# Less than this does not change which candles are closed.
LEAST_OFFSET = pd.Timedelta(seconds=2)
# A time that is so near is told with its seconds.
NEAR = pd.Timedelta(minutes=5)

# Letters of a line in a narrow cell: on a phone the table is scrolled rather than squeezed.
LINE = 26

NO_ACTION = "no signal, no trade"
TONES: dict[Freshness, Tone] = {"fresh": "blue", "late": "yellow", "stale": "red"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the Health page.

    Attributes
    ----------
    label, value : str
    note : str
        What it means, in a few words; may be empty.
    tone : Tone
        Colour of the note, which says the same in words.
    help : str
    """

    label: str
    value: str
    note: str
    tone: Tone
    help: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Minutes in a row without a trade: ``bars`` of them, the first opening at ``start``."""

    start: pd.Timestamp
    bars: int


@dataclass(frozen=True, slots=True)
class Gaps:
    """What is missing in a candle table.

    Attributes
    ----------
    bars, filled : int
        Rows in all, and those that stand for a minute without a trade.
    longest, newest : Gap or None
        None if there is no gap. Of several longest ones, the newest.
    """

    bars: int
    filled: int
    longest: Gap | None = None
    newest: Gap | None = None


def freshness(shown: Snapshot) -> Freshness:
    """Whether the newest candle is as young as it should be."""
    if shown.stale:
        return "stale"
    late = shown.age is not None and shown.age > LATE_BARS * ONE_MINUTE
    return "late" if late else "fresh"


def refusal(shown: Snapshot) -> str:
    """Why no trade is filled now, as a sentence; empty if one would be."""
    why = doubt(shown)
    return f"No trade: {why}." if why else ""


def doubt(shown: Snapshot) -> str:
    """Why nothing can be done on what is shown, as a clause; empty if it can."""
    if shown.price is None:
        return "there is no candle yet"
    if not shown.clock_known:
        return "nobody knows how old the newest candle is"
    if shown.stale:
        return f"the newest candle is {age_text(shown.age)} old"
    return "the replay has ended" if shown.ended else ""


def price_age(shown: Snapshot) -> pd.Timedelta | None:
    """Time since the price on screen held; None without a price."""
    if shown.as_of is None:
        return None
    quoted = _quoted_at(shown)
    return max(shown.now - (shown.as_of if quoted is None else quoted), pd.Timedelta(0))


def _quoted_at(shown: Snapshot) -> pd.Timestamp | None:
    """When the quote held that is on screen; None if the last close is."""
    if shown.as_of is None or shown.quote is None:
        return None
    return shown.quote.time if shown.quote.time >= shown.as_of - ONE_MINUTE else None


def price_is_old(shown: Snapshot, refresh: pd.Timedelta) -> bool:
    """Whether a venue's quote is older than its refreshes allow.

    Parameters
    ----------
    shown : Snapshot
    refresh : pandas.Timedelta
        How often it is asked for.
    """
    quoted, allowed = _quoted_at(shown), max(OLD_PRICE, OLD_REFRESHES * refresh)
    return shown.replay is None and quoted is not None and shown.now - quoted > allowed


def gaps(candles: pd.DataFrame) -> Gaps:
    """The runs of filled minutes in a candle table."""
    filled = candles["filled"].to_numpy(dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], filled, [False]))))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    if not len(starts):
        return Gaps(len(candles), 0)
    runs = [Gap(candles.index[start], int(n)) for start, n in zip(starts, lengths, strict=True)]
    longest = max(runs, key=lambda run: (run.bars, run.start))
    return Gaps(len(candles), int(filled.sum()), longest, runs[-1])


# The bar on every page ---------------------------------------------------------------------------


def bar_text(shown: Snapshot, refresh: pd.Timedelta, zone: str = UTC) -> str:
    """Whose prices these are, how old, and what was done to them, in one line; Markdown.

    Parameters
    ----------
    shown : Snapshot
        Has candles.
    refresh : pandas.Timedelta
        How often the price is asked for.
    zone : str
        IANA name of the time zone to tell times in.
    """
    why = _short_reason(shown, zone)
    venue = f"{shown.venue}, as {why}" if why else shown.venue
    price = f"price {age_text(price_age(shown))} old" if price_is_old(shown, refresh) else ""
    parts = (
        f"{_badge(shown)} **{shown.key.symbol}**",
        venue,
        time_text(shown.now, zone, "%-d %b %Y %H:%M") if shown.replay is not None else "",
        _newest_text(shown),
        price,
        _counted(shown.report.filled, "minute", "without a trade"),
        _counted(_total(shown.report.dropped), "row", "dropped"),
        _counted(_total(shown.report.flagged), "odd candle", "kept"),
        clock_text(shown.clock_offset),
    )
    return " · ".join(part for part in parts if part)


def _badge(shown: Snapshot) -> str:
    if shown.replay is not None:
        return f":violet-badge[Replay at {shown.replay.speed:g}×]"
    return ":gray-badge[Offline]" if offline(shown) else ":blue-badge[Live]"


def offline(shown: Snapshot) -> bool:
    """Whether nobody sends candles any more, and those at hand have begun to age."""
    return bool(shown.problem) and shown.replay is None and freshness(shown) != "fresh"


def _newest_text(shown: Snapshot) -> str:
    state = freshness(shown)
    closed = f"newest candle closed {age_text(shown.age)} ago"
    if state == "fresh":
        return f":blue[:material/check_circle:] {closed}"
    if state == "late":
        return f":yellow-badge[:material/schedule: late] {closed}"
    known = closed if shown.clock_known else "nobody knows how old the newest candle is"
    return f":red-badge[:material/error: stale: {NO_ACTION}] {known}"


def clock_text(offset: pd.Timedelta) -> str:
    """How wrong this server's clock is, in a few words; empty if it does not matter."""
    if abs(offset) < LEAST_OFFSET:
        return ""
    return f"server clock {age_text(abs(offset))} {'slow' if offset > pd.Timedelta(0) else 'fast'}"


def _counted(count: int, what: str, done: str) -> str:
    return f"{count:,} {what if count == 1 else f'{what}s'} {done}" if count else ""


def _total(rules: Sequence[tuple[str, int]]) -> int:
    return sum(count for _, count in rules)


def _preferred(shown: Snapshot) -> tuple[VenueState, ...]:
    """The venues that would have been taken before the one in use, the best first."""
    names = [each.venue for each in shown.venues]
    return shown.venues[: names.index(shown.venue)] if shown.venue in names else ()


def _short_reason(shown: Snapshot, zone: str) -> str:
    """Why the first choice is not in use; empty if it is."""
    better = _preferred(shown)
    name = f" {zone_name(shown.now, zone)}"
    return _reason(better[0], shown, zone).removesuffix(name) if better else ""


def _reason(venue: VenueState, shown: Snapshot, zone: str) -> str:
    """Why a preferred venue is not in use, as a clause."""
    until = moment_text(venue.until, shown.now, zone)
    why = {
        "blocked": "is not available in this server's country",
        "banned": f"is banned until {until}",
        "resting": f"is left alone until {until}",
        "failing": "failed last time",
        "unasked": "was not asked yet",
        "ok": "did not answer first",
    }
    return f"{venue.venue} {why[venue.state]}"


def moment_text(time: pd.Timestamp | None, now: pd.Timestamp, zone: str = UTC) -> str:
    """When something ends: 14:05 UTC; with seconds if it is near, with its date if it is far."""
    if time is None:
        return UNKNOWN
    if time.tz_convert(zone).date() != now.tz_convert(zone).date():
        return time_text(time, zone, "%-d %b %H:%M")
    return time_text(time, zone, "%H:%M:%S" if time - now < NEAR else "%H:%M")


# The Health page ---------------------------------------------------------------------------------


def standing(shown: Snapshot, *, stands_in: bool = False, zone: str = UTC) -> str:
    """How it stands with the candles on screen, in a sentence.

    Parameters
    ----------
    shown : Snapshot
    stands_in : bool
        Whether it is a replay only because no live venue answers.
    zone : str
        IANA name of the time zone to tell times in.
    """
    if not shown.has_candles:
        return "There are no candles yet."
    if shown.replay is not None:
        return _replay_text(shown, shown.replay, zone, stands_in=stands_in)
    if shown.stale:
        return _stale_text(shown)
    late = ", later than it should" if freshness(shown) == "late" else ""
    closed = f"the newest candle closed {age_text(shown.age)} ago{late}"
    if offline(shown):
        return f"These are the last good candles of {shown.venue}; {closed}."
    return f"Live from {shown.venue}, {_choice(shown, zone)}; {closed}."


def _replay_text(shown: Snapshot, replay: Replay, zone: str, *, stands_in: bool) -> str:
    first, last = (each.tz_convert(zone) for each in (replay.first, replay.last))
    dates = f"{first:%-d %b} to {last:%-d %b %Y}"
    what = f"of recorded {shown.venue} candles, {dates},"
    if shown.ended:
        return f"The replay {what} has ended: {NO_ACTION} until it begins again."
    why = "because no live venue answered" if stands_in else "which needs no venue"
    return f"A replay {what} at {replay.speed:g}×, {why}."


def _stale_text(shown: Snapshot) -> str:
    nothing = "no signal is given and no trade is filled until"
    if not shown.clock_known:
        return f"Nobody knows how old the newest candle is: {nothing} the clock can be trusted."
    first = f"No candle for {age_text(shown.age)}: {nothing} one comes."
    if offline(shown):
        return f"{first} These are the last good ones of {shown.venue}."
    return f"{first} {shown.venue} answers, but with none that is newer."


def _choice(shown: Snapshot, zone: str) -> str:
    """Why the candles come from this venue, as a clause."""
    better = _preferred(shown)
    if better:
        return f"because {' and '.join(_reason(venue, shown, zone) for venue in better)}"
    return "the only venue asked" if len(shown.venues) == 1 else "the first choice"


def figures(shown: Snapshot, missing: Gaps, refresh: pd.Timedelta) -> tuple[Figure, ...]:
    """The numbers at the top of the Health page; those of venues not for a recording.

    Parameters
    ----------
    shown : Snapshot
        Has candles.
    missing : Gaps
        Of its candles.
    refresh : pandas.Timedelta
        How often the price is asked for.
    """
    state = freshness(shown)
    newest = Figure(
        "Newest candle",
        _old(shown.age, shown),
        state,
        TONES[state],
        f"Time since it closed. Late beyond {LATE_BARS} min; beyond 3 min it is stale, and nothing"
        " is decided or traded on it.",
    )
    cleaned = (_gaps_figure(missing), _rows_figure(shown.report))
    if shown.replay is not None:
        return newest, *cleaned
    return newest, _price_figure(shown, refresh), *cleaned, _clock_figure(shown)


def _price_figure(shown: Snapshot, refresh: pd.Timedelta) -> Figure:
    note, tone = _price_note(shown, refresh)
    return Figure(
        "Price",
        _old(price_age(shown), shown),
        note,
        tone,
        f"Time since the venue's last known price, which is asked for every {age_text(refresh)}."
        " Without one, the last close is shown.",
    )


def _old(age: pd.Timedelta | None, shown: Snapshot) -> str:
    return f"{age_text(age)} old" if shown.clock_known else "unknown"


def _price_note(shown: Snapshot, refresh: pd.Timedelta) -> tuple[str, Tone]:
    if not shown.clock_known:
        return "in doubt", "red"
    if _quoted_at(shown) is None:
        return "last close", "yellow"
    return ("old", "yellow") if price_is_old(shown, refresh) else ("fresh", "blue")


def _gaps_figure(missing: Gaps) -> Figure:
    share = percent_text(missing.filled / missing.bars) if missing.bars else UNKNOWN
    return Figure(
        "Minutes without a trade",
        f"{missing.filled:,}",
        f"{share} of {missing.bars:,}",
        "off",
        "Each is filled with the last price, and marked as filled.",
    )


def _rows_figure(report: CandleReport) -> Figure:
    odd = _counted(_total(report.flagged), "odd candle", "kept")
    return Figure(
        "Rows dropped",
        f"{_total(report.dropped):,}",
        odd or "nothing odd",
        "off",
        "Rows of the venue's replies that cannot be candles or came twice, over all replies since"
        " this market was opened.",
    )


def _clock_figure(shown: Snapshot) -> Figure:
    value, note, tone = _clock_note(shown)
    return Figure(
        "Server clock",
        value,
        note,
        tone,
        "Against the venue's own clock. A small difference is corrected; beyond 30 s nobody can"
        " tell which candle is closed.",
    )


def _clock_note(shown: Snapshot) -> tuple[str, str, Tone]:
    if not shown.clock_known:
        return "unknown", "in doubt", "red"
    wrong = clock_text(shown.clock_offset).removeprefix("server clock ")
    if wrong:
        return wrong, "corrected", "yellow"
    told = [each.clock_offset for each in shown.venues if each.venue == shown.venue]
    if told == [None]:
        return "unknown", "the venue does not tell", "off"
    return "right", "as the venue's", "blue"


def venue_table(shown: Snapshot, zone: str = UTC) -> pd.DataFrame:
    """Every venue in words, the preferred one first; Markdown. Times are told in the zone.

    Returns
    -------
    pandas.DataFrame
        Indexed by the venue's name, which says if it is the one in use.
    """
    # The venues' times are this machine's, which the snapshot's is not.
    machine = shown.now - shown.clock_offset
    rows = {
        _name(each, shown): {
            "State": state_text(each, machine, zone),
            "Last error": each.error or "none",
            "Last good answer": _ago(each.answered, machine),
            "Calls in 1 h": f"{each.calls:,}",
            "Clock": _offset_text(each.clock_offset),
        }
        for each in shown.venues
    }
    return pd.DataFrame.from_dict(rows, orient="index").map(_in_few_lines).rename(_in_few_lines)


def _in_few_lines(text: str) -> str:
    """The text, to be broken only into lines that are long enough to read in a narrow cell."""
    return " ".join(line.replace(" ", "\u00a0") for line in wrap(text, LINE))


def _name(venue: VenueState, shown: Snapshot) -> str:
    in_use = shown.has_candles and venue.venue == shown.venue and not offline(shown)
    return f"**{venue.venue}** (in use)" if in_use else venue.venue


def state_text(venue: VenueState, now: pd.Timestamp, zone: str = UTC) -> str:
    """A venue's state in a few words."""
    until = moment_text(venue.until, now, zone)
    return {
        "unasked": "not asked yet",
        "ok": "ok",
        "failing": "failed last time, is asked again as usual",
        "resting": f"left alone until {until} after repeated failures",
        "banned": f"banned until {until}",
        "blocked": "not available in this server's country",
    }[venue.state]


def _ago(time: pd.Timestamp | None, now: pd.Timestamp) -> str:
    return "none yet" if time is None else f"{age_text(max(now - time, pd.Timedelta(0)))} ago"


def _offset_text(offset: pd.Timedelta | None) -> str:
    if offset is None:
        return UNKNOWN
    if abs(offset) < LEAST_OFFSET:
        return "agrees"
    return f"{age_text(abs(offset))} {'ahead' if offset > pd.Timedelta(0) else 'behind'}"


def cleaning_lines(report: CandleReport, missing: Gaps, zone: str = UTC) -> list[str]:
    """What cleaning did to the candles on screen, a phrase for each rule that applied."""
    lines = [rule_text(rule, count) for rule, count in (*report.dropped, *report.flagged)]
    if missing.longest is None or missing.newest is None:
        return [*(lines or ["Nothing was dropped, and nothing is odd"]), "Every minute had a trade"]
    filled = _counted(missing.filled, "minute", "without a trade filled with the last price")
    longest, newest = (_gap_text(gap, zone) for gap in (missing.longest, missing.newest))
    return [*lines, filled, f"The longest gap: {longest}", f"The newest gap: {newest}"]


def _gap_text(gap: Gap, zone: str) -> str:
    return f"{gap.bars:,} min, from {time_text(gap.start, zone, '%-d %b %Y %H:%M')}"


def troubles(shown: Snapshot, worker_error: str = "") -> list[str]:
    """What is wrong beside the candles, a sentence each; none if all is well."""
    failed = f"The worker failed and starts again: {worker_error}" if worker_error else ""
    said = (shown.problem, failed, shown.record_problem, shown.cache_problem)
    return [each for each in said if each]
