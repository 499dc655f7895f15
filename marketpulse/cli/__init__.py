"""The command line: the same market, models and words as on screen."""

import click

from marketpulse import __version__
from marketpulse.cli.backtest import backtest
from marketpulse.cli.doctor import doctor
from marketpulse.cli.evaluate import evaluate
from marketpulse.cli.fetch import fetch
from marketpulse.cli.forecast import forecast


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Crypto forecasts that say how far they can be trusted."""


for each in (forecast, evaluate, backtest, fetch, doctor):
    main.add_command(each)
