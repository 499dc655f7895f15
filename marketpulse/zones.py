"""Times as the clocks of a zone show them. Everywhere else a time is in UTC."""

from typing import TypeVar

import pandas as pd

Time = TypeVar("Time", pd.Timestamp, pd.DatetimeIndex)

UTC = "UTC"


def local_times(times: Time, zone: str) -> Time:
    """Times of a zone without saying so, which Plotly draws five times faster.

    In the hour that a zone's clocks go through twice, two times look the same.
    """
    return times.tz_convert(zone).tz_localize(None)


def zone_name(time: pd.Timestamp, zone: str) -> str:
    """What the clocks of a zone call it at a time: UTC, CEST, or UTC+0545 where it has no name."""
    name = time.tz_convert(zone).tzname() or zone
    return f"UTC{name}" if name[0] in "+-" else name


def time_text(time: pd.Timestamp, zone: str, form: str = "%H:%M") -> str:
    """A time as the clocks of a zone show it, with the zone's name: 14:05 UTC.

    Parameters
    ----------
    time : pandas.Timestamp
        With a zone.
    zone : str
        IANA name.
    form : str
        As for ``strftime``.
    """
    return f"{time.tz_convert(zone):{form}} {zone_name(time, zone)}"
