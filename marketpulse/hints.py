"""What the figures of each page are, a sentence each, for who sees them for the first time."""

from collections.abc import Mapping

# By page, in the order of the screen: what is on it, and what that is.
HINTS: Mapping[str, Mapping[str, str]] = {
    "Live": {
        "In 1 min, in 45 min": "What the price is likely to be then; the last price itself, unless"
        " the model has proven that it knows better.",
        "Trees": "Where the model leans, in basis points: 100 bps are 1 %.",
        "Trust": "How much of that lean has proven itself on candles that the model had not seen.",
        "●●○": "The last 30 outcomes, inside the band that was forecast or outside it.",
        "The fan": "Where the price may go: nine outcomes in ten should end in the wide band, one"
        " in two in the narrow one.",
        "Signal": "Whether a trade would pay after its costs; ◀ marks what stops it.",
        "Position, P&L": "What your paper book holds and has made after all fees, without real"
        " money.",
    },
    "Accuracy": {
        "Trust": "The share of the model's lean that is in the forecast, because it has proven"
        " itself.",
        "Skill": "How much smaller the error is than that of 'the price stays where it is'.",
        "What it may really be": "Where the skill lies with luck taken into account; while that"
        " range holds zero, nothing is proven.",
        "Band held": "How often the price ended inside the 9-in-10 band; 90 % is right.",
        "The chart": "What was said of each time before it came, and what came.",
    },
    "Backtest": {
        "Equity": "What acting on the forecasts would have made, after all costs, in the same"
        " paper book.",
        "Buy and hold": "What the same money would be worth if it had bought at the start.",
        "Placebos": "The same rule with forecasts of another time: what luck alone would make.",
        "The map": "What other thresholds would have made; the best of them owes much to having"
        " been picked.",
    },
    "Ledger": {
        "Equity": "Cash and coins of your paper book at the last close.",
        "Realised": "What sales have made, less all fees.",
        "Unrealised": "What the coins at hand would make if they were sold at the last close.",
        "Return": "All of that as a share of what was paid in, and below it what just holding the"
        " coin would have made.",
        "Drawdown": "How far equity fell from its high, at worst.",
        "Where it came from": "The profit taken apart: price, spread, impact, latency and fees.",
    },
    "Health": {
        "Newest candle": "How long ago the last minute closed; on old candles nothing is decided"
        " and nothing traded.",
        "Minutes without a trade": "Gaps in the market, filled with the last price and marked.",
        "Rows dropped": "What the venue sent that cannot be true.",
        "Venues": "Who may be asked for prices, the preferred one first, and how it stands with"
        " each.",
        "This server": "How quickly pages are drawn and models trained, for everybody who looks.",
    },
}


def hints_text(page: str) -> str:
    """The hints of a page as a list; Markdown."""
    return "\n".join(f"- **{name}**: {text}" for name, text in HINTS[page].items())
