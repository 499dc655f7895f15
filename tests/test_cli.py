import gzip
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from marketpulse import parallel
from marketpulse.cli import main
from marketpulse.leaks import LEAKS
from marketpulse.model import PLANS, Plan
from marketpulse.sources.recorded import SAMPLE_PATH, load, load_sample
from tests.exchange_server import ExchangeServer

TAIL_KEYS = {
    "n", "mae", "mse", "rmse", "r2_price", "r2_return", "mae_naive", "skill", "skill_low",
    "skill_high", "verdict", "direction_hit_rate", "direction_n", "coverage_90",
    "worst_coverage_500", "width_bps", "winkler_bps", "winkler_naive_bps", "fits", "seconds",
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "cli"
    monkeypatch.setenv("MARKETPULSE_HOME", str(folder / "home"))
    monkeypatch.setenv("MARKETPULSE_MODELS", str(folder / "models"))


def ran(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(*arguments):
    result = ran(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.strip()


@pytest.fixture
def small(tmp_path):
    """A file with the first ten minutes of the sample."""
    path = tmp_path / "small.csv"
    lines = gzip.decompress(SAMPLE_PATH.read_bytes()).decode().splitlines()[:11]
    path.write_text("\n".join(lines))
    return path


def test_forecast_prints_the_documented_json_and_nothing_else():
    result = ran("forecast", "--source", "sample", "--json")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert set(facts) == {"symbol", "source", "venue", "as_of", "price", "horizons", "signal"}
    assert facts["as_of"] == "2026-08-31T00:00:00Z"
    assert facts["price"] == load_sample().candles["close"].iloc[-1]
    for label, target in (("minute", "2026-08-31T00:01:00Z"), ("long", "2026-08-31T00:45:00Z")):
        horizon = facts["horizons"][label]
        assert horizon["target_time"] == target
        assert horizon["low_90"] <= horizon["low_50"] <= horizon["high_50"] <= horizon["high_90"]
        assert set(horizon["tail"]) == TAIL_KEYS
        assert horizon["tail"]["n"] == 200
    assert facts["signal"]["side"] in {"buy", "sell", "hold"}
    assert facts["signal"]["reasons"]


def test_forecast_in_words_begins_with_the_headline():
    result = ran("forecast", "--source", "sample")
    assert result.exit_code == 0
    assert result.stdout.startswith("BTC/USD in 45 min: ")
    assert "no change" in result.stdout


def test_evaluate_prints_the_documented_json():
    result = ran("evaluate", "--source", "sample", "--bars", 10_000, "--json")
    facts = json.loads(result.stdout)
    assert set(facts) == {"symbol", "source", "bars", "horizons"}
    assert facts["bars"] == 10_000
    assert set(facts["horizons"]["minute"]) == TAIL_KEYS | {"refused_share"}
    assert set(facts["horizons"]["long"]) == TAIL_KEYS | {"refused_share"}
    assert facts["horizons"]["minute"]["refused_share"] == 0


def test_where_gaps_forbid_every_forecast_that_is_said_and_nothing_is_made_up(tmp_path):
    path = tmp_path / "a-quarter-of-an-hour-in-two.csv"
    sample = load_sample().candles.drop(columns="filled").head(12_000)
    sample = sample[np.arange(12_000) % 30 < 15].reset_index()
    sample.rename(columns={"open_time": "time"}).to_csv(path, index=False)
    facts = json.loads(ran("evaluate", "--source", path, "--json").stdout)
    for found in facts["horizons"].values():
        assert (found["n"], found["skill"], found["coverage_90"]) == (0, None, None)
        assert found["refused_share"] > 0.9
        assert found["verdict"] == "no evidence"
    in_words = ran("evaluate", "--source", path).stdout
    assert "minute: no forecast; " in in_words


@pytest.fixture
def small_plans(monkeypatch):
    for label, bars in (("minute", 400), ("long", 200)):
        monkeypatch.setitem(PLANS, label, Plan(bars, bars // 2, bars // 2))


@pytest.mark.usefixtures("small_plans")
def test_evaluate_shows_what_a_leak_pretends_beside_the_alarm():
    asked = ("evaluate", "--source", "sample", "--bars", 3_000, "--leak", "joined-at-open")
    facts = json.loads(ran(*asked, "--json").stdout)
    assert set(facts) == {"symbol", "source", "bars", "horizons", "leak"}
    assert facts["bars"] == 3_000
    assert facts["horizons"]["minute"]["verdict"] == "beats naive"
    leak = facts["leak"]
    assert (leak["name"], leak["mistake"]) == ("joined-at-open", LEAKS["joined-at-open"].mistake)
    assert set(leak["alarm"]) == {"minute", "long"}
    for rung in leak["alarm"].values():
        assert rung["first"] <= rung["cut"]
        assert rung["changed"] >= 1
    words = ran(*asked)
    assert words.exit_code == 0
    assert "With the leak joined-at-open: Bars five times as long" in words.stdout
    assert words.stdout.count("\n  fake skill ") == 2
    for rung in leak["alarm"].values():
        assert f"\n  alarm: {rung['sentence']}\n" in words.stdout


@pytest.mark.usefixtures("small_plans")
def test_evaluate_shows_what_a_price_for_a_target_does():
    asked = ("evaluate", "--source", "sample", "--bars", 3_000, "--target", "price")
    facts = json.loads(ran(*asked, "--json").stdout)
    assert set(facts) == {"symbol", "source", "bars", "horizons", "target"}
    minute = facts["horizons"]["minute"]
    assert minute["verdict"] == "worse than naive"
    times = minute["mae"] / minute["mae_naive"]
    assert times > 5
    said = ran(*asked).stdout
    assert f"\n  the error is {times:.0f} times that of naive; R² of the price " in said


def test_one_mistake_at_a_time():
    said = refused("evaluate", "--source", "sample", "--leak", "next-close", "--target", "price")
    assert said == "Error: A leak and a price target are two mistakes: make one at a time."


def test_an_unknown_leak_is_refused_with_the_names_of_all():
    result = ran("evaluate", "--source", "sample", "--leak", "none")
    assert result.exit_code == 2
    assert all(name in result.stderr for name in LEAKS)


BACKTEST_KEYS = {
    "symbol", "source", "settings", "trades", "initial_cash", "final_equity", "fees_paid",
    "net_return", "buy_and_hold_return", "max_drawdown", "trade_count", "hit_rate", "exposure",
}  # fmt: skip
FREE = ("--fee-bps", 0, "--slippage-bps", 0)
LEAN = ("--centre", "raw", "--mae-multiplier", 0, "--bars", 2_600, *FREE)


@pytest.fixture
def tiny_plans(monkeypatch):
    for label, plan in {"minute": Plan(400, 200, 200), "long": Plan(120, 60, 60)}.items():
        monkeypatch.setitem(PLANS, label, plan)


@pytest.mark.usefixtures("tiny_plans")
def test_backtest_prints_the_documented_json():
    result = ran("backtest", "--source", "sample", *LEAN, "--slippage-bps", 0.5, "--json")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert set(facts) == BACKTEST_KEYS
    assert facts["settings"]["slippage_bps"] == 0.5
    assert facts["settings"]["hold_bars"] == 45
    trades = facts["trades"]
    assert facts["trade_count"] == len(trades) > 4
    assert all(set(trade) == {"time", "side", "quantity", "price", "fee"} for trade in trades)
    assert {trade["time"] for trade in trades if trade["side"] == "buy"}
    cash, held = facts["initial_cash"], 0.0
    for trade in trades:
        sign = 1 if trade["side"] == "buy" else -1
        cash -= sign * trade["quantity"] * trade["price"] + trade["fee"]
        held += sign * trade["quantity"]
    last = load_sample().candles["close"].iloc[-1]
    assert facts["final_equity"] == pytest.approx(cash + held * last, abs=1e-4)
    assert facts["net_return"] == pytest.approx(facts["final_equity"] / 10_000 - 1)
    assert facts["max_drawdown"] < 0
    assert 0 < facts["exposure"] < 1


@pytest.mark.usefixtures("tiny_plans")
def test_a_sweep_tells_every_cell_and_warns_of_the_best():
    result = ran("backtest", "--source", "sample", *LEAN, "--fee-bps", 4, "--sweep", "--json")
    facts = json.loads(result.stdout)
    assert set(facts) == BACKTEST_KEYS | {"cells"}
    cells = facts["cells"]
    assert len(cells) == 400
    assert set(cells[0]) == {
        "centre",
        "mae_multiplier",
        "margin_bps",
        "trades",
        "net",
        "net_return",
    }
    assert (cells[0]["mae_multiplier"], cells[0]["margin_bps"]) == (0, -9)
    assert "The best of 400 cells made" in result.stderr
    same = next(c for c in cells if (c["mae_multiplier"], c["margin_bps"]) == (0, 0))
    assert same["trades"] == sum(trade["side"] == "buy" for trade in facts["trades"])
    assert same["net_return"] == pytest.approx(facts["net_return"], abs=1e-9)


@pytest.mark.usefixtures("tiny_plans")
def test_a_backtest_in_words_stands_beside_luck():
    said = ran("backtest", "--source", "sample", *LEAN, "--luck").stdout
    assert "minutes decided on" in said
    assert "buy and hold" in said
    assert "of 500 placebo runs, with forecasts of another time" in said
    assert "of 500 runs that entered at random" in said


@pytest.mark.usefixtures("tiny_plans")
def test_the_default_rule_says_that_it_never_traded():
    result = ran("backtest", "--source", "sample", "--bars", 2_600)
    assert "The rule never traded" in result.stdout


@pytest.mark.usefixtures("tiny_plans")
def test_a_backtest_costs_what_trades_cost_live_unless_it_is_told_otherwise():
    usual = json.loads(ran("backtest", "--source", "sample", "--bars", 2_600, "--json").stdout)
    costs = ("fee_bps", "slippage_bps", "impact_bps", "latency_s")
    assert [usual["settings"][name] for name in costs] == [40, 1, 10, 0]
    own = json.loads(
        ran("backtest", "--source", "sample", *LEAN, "--latency-s", 2, "--json").stdout
    )
    assert [own["settings"][name] for name in costs] == [0, 0, 0, 2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mae-multiplier", 4), "--mae-multiplier must be from 0 to 3, not 4."),
        (("--sell-mae", -1), "--sell-mae must be from 0 to 3, not -1."),
        (("--margin-bps", "nan"), "--margin-bps must be from -100 to 100, not nan."),
        (("--hold-bars", 500), "--hold-bars must be from 0 to 240, not 500."),
        (("--slippage-bps", 1_000), "--slippage-bps must be from 0 to 50, not 1000."),
        (("--cash", 10), "--cash must be from the --amount to 1,000,000,000, not 10."),
        (("--scheduler", "here"), "A scheduler reads like tcp://host:8786, not here."),
        (("--scheduler", "127.0.0.1:9"), "No Dask scheduler answers at 127.0.0.1:9."),
        (("--bars", 300), "The 1-minute model needs more than 3243 bars of 1 min; there are 300."),
    ],
)
def test_a_backtest_that_cannot_be_is_refused_in_one_line(options, said, monkeypatch):
    monkeypatch.setattr(parallel, "ANSWER_WITHIN", 1)
    assert refused("backtest", "--source", "sample", *options) == f"Error: {said}"


def test_fetched_candles_come_back_as_they_were(tmp_path):
    out = tmp_path / "out.parquet"
    assert ran("fetch", "--source", "sample", "--bars", 90, "--out", out).exit_code == 0
    pd.testing.assert_frame_equal(load(out).candles, load_sample().candles.tail(90))


def test_fetch_pages_back_through_a_venue(tmp_path, monkeypatch):
    out = tmp_path / "out.csv.gz"
    with ExchangeServer() as server:
        monkeypatch.setenv("MARKETPULSE_EXCHANGE_SERVER", server.url)
        assert ran("fetch", "--source", "coinbase", "--bars", 700, "--out", out).exit_code == 0
    assert len(load(out).candles) == 700


def test_doctor_says_which_venues_answer(monkeypatch):
    with ExchangeServer() as server:
        server.fail("bitstamp", 451)
        monkeypatch.setenv("MARKETPULSE_EXCHANGE_SERVER", server.url)
        facts = json.loads(ran("doctor", "--json").stdout)
    assert facts["will_use"] == "coinbase"
    assert facts["venues"]["coinbase"] == "ok"
    assert facts["venues"]["bitstamp"] != "ok"


def test_an_unknown_symbol_is_one_sentence_with_near_matches(monkeypatch):
    with ExchangeServer() as server:
        monkeypatch.setenv("MARKETPULSE_EXCHANGE_SERVER", server.url)
        said = refused("forecast", "--source", "bitstamp", "--symbol", "BTX/USD")
    assert "BTX/USD" in said
    assert "BTC/USD" in said


@pytest.mark.parametrize("symbol", ["btc", "BTC-USD", "<script>", "BTC/USD/EUR", ""])
def test_a_symbol_that_is_none_is_refused(symbol):
    assert "A symbol reads like BTC/USD" in refused("forecast", "--symbol", symbol)


def test_a_file_that_is_not_there_is_refused():
    said = refused("forecast", "--source", "nowhere.csv")
    assert said == "Error: There is no source and no file called nowhere.csv."


def test_a_file_with_a_bad_row_says_which_row_and_why(small):
    lines = small.read_text().splitlines()
    lines[4] = "1786925040,62850,62840,62860,62850,1"
    small.write_text("\n".join(lines))
    said = refused("forecast", "--source", small)
    assert "row 4" in said
    assert "high of 62840 below its low of 62860" in said


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("")
    assert "empty.csv" in refused("forecast", "--source", path)


def test_a_file_too_short_to_learn_from_says_how_much_is_missing(small):
    assert "more 1-minute bars of history" in refused("forecast", "--source", small)
    assert "model needs more than" in refused("evaluate", "--source", small)


def test_venues_that_cannot_be_reached_are_one_sentence(monkeypatch):
    monkeypatch.setenv("MARKETPULSE_EXCHANGE_SERVER", "http://127.0.0.1:9")
    assert "No venue answers for BTC/USD" in refused("forecast")


def test_candles_cannot_be_saved_where_there_is_no_folder(tmp_path):
    out = tmp_path / "no" / "folder.csv"
    assert "cannot be written" in refused("fetch", "--source", "sample", "--out", out)


def test_candles_are_saved_only_as_files_that_can_be_read_again(tmp_path):
    out = tmp_path / "out.xls"
    assert "should end in .csv" in refused("fetch", "--source", "sample", "--out", out)
