"""The system's Chromium, driven by Playwright; shared by the tests and the benchmarks."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
# What Plotly draws candles as.
CANDLES = ".js-plotly-plot .boxlayer path.box"


def chromium() -> str | None:
    """Path of the browser, or None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh headless browser."""
    with sync_playwright() as playwright:
        driven = playwright.chromium.launch(executable_path=chromium(), args=list(OPTIONS))
        try:
            yield driven
        finally:
            driven.close()
