"""Every rule by which forecasts become trades, by its name in the settings.

A rule of your own is a function in a file of its own, imported and listed here; settings, pages,
the backtest and the tests of all rules find it by that. ``docs/rules.md`` shows how.
"""

from collections.abc import Mapping
from types import MappingProxyType

from marketpulse.strategies import by_chance, by_distance
from marketpulse.terms import Rule

RULES: Mapping[str, Rule] = MappingProxyType({"distance": by_distance, "chance": by_chance})
RULE_HELP: Mapping[str, str] = MappingProxyType(
    {
        "distance": "The forecast, less a multiple of its mean error, clears all costs.",
        "chance": "By the bands, a net profit is more likely than you ask for.",
    }
)
