"""A Streamlit server of the app, and a client that speaks to it as a browser does, without one.

The client keeps the messages that the server may send only once, tells the server which it has,
and presses the page's own timer: what it receives in one rerun is what a browser would.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

import websocket
from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: TID251  it is Streamlit that is measured
from streamlit.proto.Element_pb2 import Element  # noqa: TID251
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: TID251
from streamlit.proto.WidgetStates_pb2 import WidgetState  # noqa: TID251

ROOT = Path(__file__).parents[1]
RUN_APP = ("-m", "streamlit", "run", "app.py")
UNKNOWN = "–"
TIMEOUT_S = 60.0
FINISHED = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of the app.

    Attributes
    ----------
    url : str
        Its root, without a slash at the end.
    started : float
        `time.perf_counter` just before its process was started.
    answered : float
        The same when the page was first answered over HTTP.
    log : pathlib.Path
        What it prints.
    pid : int
        Of its process.
    """

    url: str
    started: float
    answered: float
    log: Path
    pid: int


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def closed_venues() -> str:
    """An address at which no venue answers."""
    return f"http://127.0.0.1:{free_port()}"


def environment(folder: Path, venues: str) -> Mapping[str, str]:
    """The variables of a command that keeps its files in ``folder``."""
    return os.environ | {
        "MARKETPULSE_HOME": str(folder / "home"),
        "MARKETPULSE_MODELS": str(folder / "models"),
        "MARKETPULSE_EXCHANGE_SERVER": venues,
    }


@contextmanager
def app_server(
    folder: Path, venues: str, *, command: Sequence[str] = RUN_APP, **variables: str
) -> Iterator[Server]:
    """A fresh server process of the app, ended at the end.

    Parameters
    ----------
    folder : pathlib.Path
        Keeps its key, recordings, models and log; a folder that was used before makes it a restart.
    venues : str
        Address that stands for every venue.
    command : sequence of str
        What Python is asked to run.
    **variables
        Further environment variables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), folder / "server.log"
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    variables = {**environment(folder, venues), **variables}
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command, *options],
            cwd=ROOT, env=variables, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            answered = _first_answer(url, process, log)
            yield Server(url, started, answered, log, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _first_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> float:
    deadline = time.perf_counter() + TIMEOUT_S
    while time.perf_counter() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=TIMEOUT_S) as page:
                page.read()
                return time.perf_counter()
        except URLError:
            time.sleep(0.005)
    raise RuntimeError(f"the server did not come up:\n{log.read_text()}")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One element of the page, and the id of the fragment that drew it; empty without one."""

    element: Element
    fragment: str


# An element's place in the page.
Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timer:
    """The page's own timer.

    Attributes
    ----------
    id : str
        Of its widget.
    fragment : str
        Id of the fragment that it reruns; empty if it reruns the whole page.
    interval : float
        Seconds after which it asks for a rerun.
    """

    id: str
    fragment: str
    interval: float


@dataclass(frozen=True, slots=True)
class Run:
    """What one rerun sent, and what is on the page after it.

    Attributes
    ----------
    page : mapping of Place to Drawn
        In order.
    whole : bool
        Whether it drew the whole page, not only a fragment of it.
    fresh : frozenset of str
        Kinds of element of which at least one was sent whole, not as a reference to an earlier one.
    size : int
        Bytes of its messages, before compression.
    first, end : float
        `time.perf_counter` at its first message and at its end.
    seconds : float
        From asking for it to its end.
    session_id : str
    """

    page: Mapping[Place, Drawn]
    whole: bool
    fresh: frozenset[str]
    size: int
    first: float
    end: float
    seconds: float
    session_id: str

    @property
    def elements(self) -> list[Element]:
        """Everything on the page, in order."""
        return [drawn.element for drawn in self.page.values()]

    @property
    def has_chart(self) -> bool:
        """Whether there are candles on the page."""
        return any(
            "candlestick" in each for element in self.elements for each in _drawings(element)
        )

    def has_forecast(self, minutes: int) -> bool:
        """Whether it told the price in so many minutes."""
        metrics = (e.metric for e in self.elements if e.HasField("metric"))
        return any(m.label == f"In {minutes} min" and m.body != UNKNOWN for m in metrics)

    @property
    def has_forecasts(self) -> bool:
        """Whether both default forecasts were there."""
        return self.has_forecast(1) and self.has_forecast(45)

    @property
    def timer(self) -> Timer:
        """The page's timer.

        Raises
        ------
        LookupError
            If the page has no timer.
        """
        for drawn in self.page.values():
            instance = drawn.element.component_instance
            if instance.component_name.endswith("st_autorefresh"):
                interval = json.loads(instance.json_args)["interval"] / 1000
                return Timer(instance.id, drawn.fragment, interval)
        raise LookupError("the page has no timer")

    def slider(self, label: str) -> str:
        """Widget id of the slider whose label begins so.

        Raises
        ------
        LookupError
            If there is none.
        """
        for element in self.elements:
            if element.HasField("slider") and element.slider.label.startswith(label):
                return element.slider.id
        raise LookupError(f"no slider {label!r}")

    def button(self, label: str) -> str:
        """Widget id of the first button whose label begins so and that can be pressed.

        Raises
        ------
        LookupError
            If there is none.
        """
        for element in self.elements:
            shown = element.button
            if element.HasField("button") and shown.label.startswith(label) and not shown.disabled:
                return shown.id
        raise LookupError(f"no button {label!r}")

    def has_button(self, label: str) -> bool:
        """Whether there is a button whose label begins so and that can be pressed."""
        try:
            return bool(self.button(label))
        except LookupError:
            return False

    def number_input(self, label: str) -> str:
        """Widget id of the number input whose label begins so.

        Raises
        ------
        LookupError
            If there is none.
        """
        for element in self.elements:
            if element.HasField("number_input") and element.number_input.label.startswith(label):
                return element.number_input.id
        raise LookupError(f"no number input {label!r}")

    @property
    def texts(self) -> list[str]:
        """What it said in words: texts, warnings and notes."""
        shown = [e for e in self.elements if e.HasField("markdown") or e.HasField("alert")]
        return [e.markdown.body if e.HasField("markdown") else e.alert.body for e in shown]

    @property
    def exceptions(self) -> list[str]:
        """Messages of the errors that it showed."""
        return [e.exception.message for e in self.elements if e.HasField("exception")]


def _drawings(element: Element) -> tuple[str, ...]:
    """What a chart is drawn from, whichever kind it is."""
    component = element.bidi_component
    return element.plotly_chart.spec, component.json, component.mixed.json


class Session:
    """One visitor.

    Parameters
    ----------
    server : Server
    query : str
        Of the address by which they come, without the question mark.
    page : str
        Name of the page; empty for the first.
    """

    def __init__(self, server: Server, query: str = "", page: str = "") -> None:
        self._query, self._page = query, page
        self._kept: dict[str, ForwardMsg] = {}
        self._seen: dict[Place, Drawn] = {}
        self._ticks = 0
        self._socket = websocket.create_connection(
            server.url.replace("http", "ws", 1) + "/_stcore/stream",
            subprotocols=["streamlit"], origin=server.url, timeout=TIMEOUT_S,
        )  # fmt: skip

    def rerun(self, *widgets: WidgetState, fragment: str = "") -> Run:
        """Ask for a rerun, with the values of widgets that changed, and collect what it sends.

        Parameters
        ----------
        *widgets : WidgetState
        fragment : str
            Id of the fragment to which they belong; empty for a rerun of the whole page.

        Raises
        ------
        RuntimeError
            If the page shows an exception.
        """
        begun = time.perf_counter()
        self.send(*widgets, fragment=fragment)
        run = self._collected(begun)
        if run.exceptions:
            raise RuntimeError(f"the page shows: {run.exceptions}")
        return run

    def send(self, *widgets: WidgetState, fragment: str = "") -> None:
        """Ask for a rerun as `rerun` does, and wait for nothing."""
        asked = BackMsg()
        state = asked.rerun_script
        state.query_string, state.page_name = self._query, self._page
        state.fragment_id = fragment
        state.widget_states.widgets.extend(widgets)
        state.cached_message_hashes.extend(self._kept)
        self._socket.send_binary(asked.SerializeToString())

    def await_start(self) -> None:
        """Wait until the server has begun with a rerun that was sent."""
        while self._resolved(self._received()).WhichOneof("type") != "new_session":
            pass

    def settle(self, quiet_s: float) -> None:
        """Take in what reruns that were sent bring, until nothing has come for so many seconds."""
        self._socket.settimeout(quiet_s)
        try:
            while True:
                self._resolved(self._received())
        except websocket.WebSocketTimeoutException:
            pass
        finally:
            self._socket.settimeout(TIMEOUT_S)

    def _received(self) -> ForwardMsg:
        return ForwardMsg.FromString(self._socket.recv())

    def tick(self, before: Run) -> Run:
        """Press the page's timer."""
        self._ticks += 1
        timer = before.timer
        pressed = WidgetState(id=timer.id, json_value=str(self._ticks))
        return self.rerun(pressed, fragment=timer.fragment)

    def ticking(self) -> Iterator[Run]:
        """The first run, and then one whenever the page's timer asks for it.

        The timer ticks at an even pace, however long a run takes, and anew when its pace changes.
        """
        run = self.rerun()
        pace, begun = run.timer.interval, run.end
        while True:
            yield run
            if run.timer.interval != pace:
                pace, begun = run.timer.interval, run.end
            late = time.perf_counter() - begun
            self.wait(pace - late % pace)
            run = self.tick(run)

    def wait(self, seconds: float) -> None:
        """Do nothing for so long but answer the server's pings, or it would hang up."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                code, frame = self._socket.recv_data(control_frame=True)
                if code == websocket.ABNF.OPCODE_CLOSE:
                    raise ConnectionError("the server hung up")
                if code == websocket.ABNF.OPCODE_BINARY:  # news, but of no run
                    self._resolved(ForwardMsg.FromString(frame))

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _collected(self, begun: float) -> Run:
        """What comes until the end of a run that nothing interrupted."""
        page: dict[Place, Drawn] = {}
        fresh: set[str] = set()
        size, first, session_id, rerun = 0, 0.0, "", frozenset[str]()
        while True:
            frame = self._socket.recv()
            if not frame:
                raise ConnectionError("the server hung up")
            size, first = size + len(frame), first or time.perf_counter()
            message = ForwardMsg.FromString(frame)
            whole = self._resolved(message)
            kind = whole.WhichOneof("type")
            if kind == "new_session":
                session_id = whole.new_session.initialize.session_id
                rerun, page = frozenset(message.metadata.run.fragment_ids), {}
            elif kind == "delta" and whole.delta.WhichOneof("type") == "new_element":
                drawn = Drawn(whole.delta.new_element, whole.delta.fragment_id)
                page[tuple(message.metadata.delta_path)] = drawn
                if whole is message:
                    fresh.add(str(drawn.element.WhichOneof("type")))
            elif kind == "script_finished" and whole.script_finished in FINISHED:
                end = time.perf_counter()
                self._seen = self._left(rerun) | page
                shown = dict(sorted(self._seen.items()))
                seconds = end - begun
                return Run(
                    shown, not rerun, frozenset(fresh), size, first, end, seconds, session_id
                )

    def _left(self, rerun: frozenset[str]) -> dict[Place, Drawn]:
        """What a run of these fragments leaves on the page as it was; of none: nothing."""
        kept = self._seen.items() if rerun else ()
        return {place: drawn for place, drawn in kept if drawn.fragment not in rerun}

    def _resolved(self, message: ForwardMsg) -> ForwardMsg:
        """The message, or the earlier one that it refers to."""
        if message.WhichOneof("type") == "ref_hash":
            return self._kept[message.ref_hash]
        if message.metadata.cacheable:
            self._kept[message.hash] = message
        return message


def slid(widget: str, value: float) -> WidgetState:
    """A slider moved to a value."""
    state = WidgetState(id=widget)
    state.double_array_value.data.append(value)
    return state


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which so large a share lies, of values that were measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
