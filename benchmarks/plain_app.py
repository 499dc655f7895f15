"""The usual Streamlit dashboard in one file, to measure beside: ``streamlit run`` shows it.

At every refresh it fetches the candles again; when a bar has closed it fits its two models anew,
in the rerun; and it draws everything with ``st.plotly_chart``. That is how most such dashboards are
written. Where they differ it does the quicker thing: models are kept between bars and shared by all
visitors and fitted by one thread, times have no zone, and the recording is read only once.

With ``MARKETPULSE_EXCHANGE_SERVER`` it asks the stand-in of Bitstamp at that address. Otherwise it
plays the bundled sample as if it happened now, sixty times as fast, a bar a second. The address
takes ``?refresh=``, in seconds.
"""

import json
import os
import time
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st  # noqa: TID251  it is a page, if not one of ours
from streamlit_autorefresh import st_autorefresh

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the library that reads it
from sklearn.ensemble import HistGradientBoostingRegressor

SAMPLE = Path(__file__).parents[1] / "marketpulse" / "data" / "bitstamp_btcusd_1min_14d.csv.gz"
SERVER = os.environ.get("MARKETPULSE_EXCHANGE_SERVER")
PRICES = ["open", "high", "low", "close"]
BARS, SHOWN, SPEED = 1_000, 120, 60
HORIZONS = {"In 1 min": 1, "In 45 min": 45}


@st.cache_resource
def recording() -> tuple[pd.DataFrame, float]:
    """The sample, and when it was first asked for."""
    return pd.read_csv(SAMPLE), time.time()


def replayed() -> pd.DataFrame:
    """The last bars of the sample by now; its first half is history, as in the app."""
    rows, started = recording()
    bars = len(rows) // 2 + int((time.time() - started) * SPEED / 60)
    return rows.iloc[max(0, bars - BARS) : bars + 1].copy()


def asked() -> pd.DataFrame:
    """The last bars of the venue, the forming one included."""
    address = f"{SERVER}/bitstamp/api/v2/ohlc/btcusd/?step=60&limit={BARS}"
    with urlopen(address, timeout=10) as reply:
        return pd.DataFrame(json.load(reply)["data"]["ohlc"])


def fetch() -> pd.DataFrame:
    """Candles of the last hours, the newest of them still forming."""
    rows = asked() if SERVER else replayed()
    times = pd.to_datetime(rows["timestamp"].astype("int64"), unit="s")
    return rows[[*PRICES, "volume"]].astype("float64").set_index(times)


def features(candles: pd.DataFrame) -> pd.DataFrame:
    """Twenty columns of the usual kind."""
    close, volume = candles["close"], candles["volume"]
    moved = np.log(close).diff()
    columns = {f"return_{lag}": moved.shift(lag) for lag in range(10)}
    for bars in (5, 15, 60):
        columns[f"mean_{bars}"] = close / close.rolling(bars).mean() - 1
        columns[f"std_{bars}"] = moved.rolling(bars).std()
    columns["range"] = (candles["high"] - candles["low"]) / close
    columns["momentum"] = close / close.shift(10) - 1
    columns["volume"] = volume / volume.rolling(20).mean()
    columns["volume_std"] = volume.rolling(20).std() / volume.rolling(20).mean()
    return pd.DataFrame(columns)


@st.cache_resource(max_entries=8, show_spinner="Training ...")
def forecast(
    last_bar: pd.Timestamp,  # noqa: ARG001  it keys the cache
    steps: int,
    _closed: pd.DataFrame,
) -> tuple[float, float]:
    """The price so many bars after the last closed one, and the mean absolute error in sample."""
    table, close = features(_closed), _closed["close"]
    ahead = np.log(close.shift(-steps) / close)
    known = ahead.notna()
    model = HistGradientBoostingRegressor(loss="absolute_error", max_leaf_nodes=15)
    model.fit(table[known], ahead[known])
    said = close * np.exp(model.predict(table))
    error = (said.shift(steps) - close).abs().tail(200).mean()
    return float(said.iloc[-1]), float(error)


def chart(candles: pd.DataFrame, said: dict[str, float]) -> go.Figure:
    """Candles and both forecasts."""
    shown = candles.tail(SHOWN)
    figure = go.Figure(go.Candlestick(x=shown.index, **{name: shown[name] for name in PRICES}))
    for name, price in said.items():
        target = shown.index[-1] + pd.Timedelta(minutes=HORIZONS[name])
        figure.add_scatter(x=[target], y=[price], mode="markers", name=name)
    figure.add_hline(float(shown["close"].iloc[-1]))
    figure.update_layout(height=560, xaxis_rangeslider_visible=False, uirevision="price")
    return figure


def main() -> None:
    st.set_page_config(page_title="Plain dashboard", layout="wide")
    seconds = float(st.query_params.get("refresh", "5"))
    st_autorefresh(interval=int(1_000 * seconds), key="timer")
    st.title("BTC/USD")
    candles = fetch()
    closed = candles.iloc[:-1]
    answers = {name: forecast(closed.index[-1], steps, closed) for name, steps in HORIZONS.items()}
    columns = st.columns(1 + len(HORIZONS))
    columns[0].metric("Price", f"{candles['close'].iloc[-1]:,.2f}")
    for column, (name, (price, error)) in zip(columns[1:], answers.items(), strict=True):
        column.metric(name, f"{price:,.2f}", f"MAE {error:,.2f}", delta_color="off")
    figure = chart(candles, {name: price for name, (price, _) in answers.items()})
    st.plotly_chart(figure, key="price-chart")
    st.dataframe(closed.tail(20))


main()
