import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "marketpulse"

# A module imports only what stands before it.
ORDER = [
    "errors",
    "packages",
    "counters",
    "process",
    "horizons",
    "zones",
    "hints",
    "costs",
    "terms",
    "strategies",
    "rulebook",
    "settings",
    "candles",
    "features",
    "dataset",
    "bands",
    "model",
    "importance",
    "forecast",
    "evaluation",
    "breakdown",
    "scoreboard",
    "alarm",
    "leaks",
    "signals",
    "money",
    "events",
    "rules",
    "ledger",
    "fills",
    "sizing",
    "orders",
    "books",
    "cells",
    "strict_json",
    "event_json",
    "bookfile",
    "ratios",
    "trade_ratios",
    "drawdowns",
    "attribution",
    "trades",
    "curves",
    "performance",
    "tape",
    "broker",
    "chain",
    "backtest",
    "paths",
    "words",
    "placebo",
    "parallel",
    "sweep",
    "risk",
    "model_store",
    "walks",
    "trial",
    "backtest_report",
    "database",
    "store",
    "journal_rows",
    "kept_book",
    "journal",
    "sources",
    "sources.candle_cache",
    "sources.venues",
    "sources.wire",
    "sources.gateway",
    "sources.replies",
    "sources.exchange",
    "sources.yahoo",
    "sources.recorded",
    "sources.chain",
    "sources.catalogue",
    "snapshot",
    "health",
    "calls",
    "vitals",
    "track",
    "report",
    "tickets",
    "pilot",
    "fans",
    "charts",
    "accuracy_charts",
    "backtest_charts",
    "signal_charts",
    "tables",
    "book_tables",
    "desk",
    "office",
    "market",
    "leases",
    "turns",
    "places",
    "hub",
    "cli.options",
    "cli.candles",
    "cli.tails",
    "cli.forecast",
    "cli.evaluate",
    "cli.backtest",
    "cli.fetch",
    "cli.doctor",
    "cli",
    "__main__",
]
# These come last, each as one layer: only the order within ui is left open, but it has one.
SCREEN = ["ui", "pages", "app"]

# What reaches out of the process, or waits in it.
OUTSIDE = {
    "ccxt",
    "click",
    "curl_cffi",
    "distributed",
    "filelock",
    "http",
    "joblib",
    "os",
    "pathlib",
    "requests",
    "socket",
    "sqlalchemy",
    "sqlite3",
    "streamlit",
    "streamlit_autorefresh",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "yfinance",
}
SHELL = {"process", "parallel", "walks", "model_store", "database", "store", "hub", "cli"}
SHELL |= {"__main__", "journal_rows", "kept_book", "journal", "desk", "office", "places", "turns"}
STREAMLIT = {"streamlit", "streamlit_autorefresh"}
CLOCKS = {"now", "utcnow", "today"}


def name_of(path):
    """The dotted name below the package, or that of a file outside of it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == PACKAGE:
        parts = parts[1:]
    return ".".join(part for part in parts if part != "__init__")


def modules():
    """The syntax tree of every module of the app by its name."""
    paths = [ROOT / "app.py", *ROOT.glob("pages/*.py"), *(ROOT / PACKAGE).rglob("*.py")]
    return {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def imported(tree):
    """Every dotted name that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports within the package are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(tree, names):
    """The modules of the app that a module imports."""
    found = {name.removeprefix(f"{PACKAGE}.") for name in imported(tree)}
    return {name for name in found if name in names and name}


def outside(tree):
    """The top packages that a module imports."""
    return {name.partition(".")[0] for name in imported(tree)} - {PACKAGE}


def layer(name):
    """Where a module stands; ui and the pages are one place each."""
    top = name.partition(".")[0]
    return len(ORDER) + SCREEN.index(top) if top in SCREEN else ORDER.index(name)


def is_pure(name):
    return name in ORDER and name not in SHELL and not name.startswith(("sources.", "cli."))


def reads_a_clock(tree):
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and ast.unparse(node.value).rpartition(".")[2] in ("Timestamp", "datetime", "date")
        for node in ast.walk(tree)
    )


def violations(trees):
    """What breaks a rule, in words."""
    for name, tree in trees.items():
        if name and layer(name) < len(ORDER):
            later = {other for other in inside(tree, trees) if layer(other) >= layer(name)}
            yield from (f"{name} imports {other}" for other in later | outside(tree) & STREAMLIT)
        if is_pure(name):
            yield from impurities(name, tree)


def impurities(name, tree):
    """What a pure module may not do, in words."""
    yield from (
        f"{name} is pure and imports {other}" for other in outside(tree) & (OUTSIDE - STREAMLIT)
    )
    if reads_a_clock(tree):
        yield f"{name} is pure and reads a clock"


TREES = modules()


def test_every_module_has_its_place():
    listed = {name for name in TREES if name and name.partition(".")[0] not in SCREEN}
    assert listed == set(ORDER)


def test_no_module_breaks_a_rule():
    assert list(violations(TREES)) == []


def test_imports_run_in_no_circle():
    graph = {name: inside(tree, TREES) - {name} for name, tree in TREES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(TREES)


def test_no_page_is_imported():
    pages = {name for name in TREES if name.startswith("pages.") or name == "app"}
    assert not any(inside(tree, TREES) & pages for tree in TREES.values())


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("candles", "from marketpulse.features import build", "candles imports features"),
        ("candles", "from marketpulse import model", "candles imports model"),
        ("costs", "import marketpulse.hub", "costs imports hub"),
        ("report", "from marketpulse.ui.frame import Frame", "report imports ui.frame"),
        ("charts", "import streamlit as st", "charts imports streamlit"),
        ("hub", "from streamlit.runtime import get_instance", "hub imports streamlit"),
        ("signals", "import time", "signals is pure and imports time"),
        ("ledger", "from threading import Lock", "ledger is pure and imports threading"),
        ("model", "def f():\n    import joblib", "model is pure and imports joblib"),
        ("market", "now = pd.Timestamp.now('UTC')", "market is pure and reads a clock"),
        ("track", "import os.path", "track is pure and imports os"),
    ],
)
def test_a_seeded_violation_is_caught(name, line, said):
    assert said in violations({**TREES, name: ast.parse(line)})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("hub", "import os, time, threading"),
        ("sources.exchange", "import ccxt"),
        ("ui.frame", "import streamlit"),
        ("market", "now = replay.now(wall)"),
    ],
)
def test_what_is_allowed_is_not_taken_for_a_violation(name, line):
    assert list(violations({**TREES, name: ast.parse(line)})) == []
