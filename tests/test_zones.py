import pandas as pd
import pytest

from marketpulse.zones import local_times, time_text, zone_name

SUMMER = pd.Timestamp("2026-07-01 22:30", tz="UTC")
WINTER = pd.Timestamp("2026-01-01 22:30", tz="UTC")


@pytest.mark.parametrize(
    ("time", "zone", "text"),
    [
        (SUMMER, "UTC", "22:30 UTC"),
        (SUMMER, "Europe/Berlin", "00:30 CEST"),
        (WINTER, "Europe/Berlin", "23:30 CET"),
        (WINTER, "America/New_York", "17:30 EST"),
        (WINTER, "Asia/Kathmandu", "04:15 UTC+0545"),
        (WINTER, "America/Sao_Paulo", "19:30 UTC-03"),
    ],
)
def test_a_time_is_told_with_what_its_zone_calls_itself_then(time, zone, text):
    assert time_text(time, zone) == text
    assert text.endswith(zone_name(time, zone))


def test_a_day_ends_at_the_zone_s_own_midnight():
    assert time_text(SUMMER, "Europe/Berlin", "%-d %b") == "2 Jul CEST"


def test_charts_get_what_the_clocks_show():
    assert local_times(SUMMER, "Europe/Berlin") == pd.Timestamp("2026-07-02 00:30")
    times = pd.DatetimeIndex([WINTER, SUMMER])
    assert local_times(times, "Europe/Berlin").hour.tolist() == [23, 0]
