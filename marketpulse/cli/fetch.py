"""Candles to a file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd

from marketpulse import candles as candle_table
from marketpulse.cli.candles import checked_symbol, opened
from marketpulse.cli.options import source_option, speaks_plainly, symbol_option
from marketpulse.errors import DataError
from marketpulse.horizons import ONE_MINUTE
from marketpulse.sources.catalogue import is_recording


@click.command()
@symbol_option
@source_option
@click.option("--bars", type=click.IntRange(min=1), default=1440, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@speaks_plainly
def fetch(symbol: str, source: str, bars: int, out: Path) -> None:
    """Save the last BARS one-minute candles to a .csv, .csv.gz or .parquet file.

    Minutes in which nothing was traded are left out: they are no candles.
    """
    if not is_recording(out.name):
        raise DataError(f"{out.name} should end in .csv, .csv.gz or .parquet.")
    pages = _pages(source, checked_symbol(symbol), bars)
    candles = candle_table.empty()
    with click.progressbar(length=bars, label=f"Fetching {symbol}", file=sys.stderr) as bar:
        for page in pages:
            before = len(candles)
            candles = candle_table.merge(page, candles, ONE_MINUTE).tail(bars)
            bar.update(len(candles) - before)
            if len(candles) >= bars:
                break
    _write(candles[~candles["filled"]].drop(columns="filled"), out)
    click.echo(f"{len(candles)} minutes to {out}", err=True)


def _pages(source: str, symbol: str, bars: int) -> Iterator[pd.DataFrame]:
    feed, now = opened(source, symbol)
    for page in feed.pages(symbol, start=now - (bars + 1) * ONE_MINUTE, now=now):
        yield page.candles


def _write(candles: pd.DataFrame, out: Path) -> None:
    try:
        if out.suffix in (".parquet", ".pq"):
            candles.reset_index().to_parquet(out, index=False)
        else:
            candles.to_csv(out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.") from error
