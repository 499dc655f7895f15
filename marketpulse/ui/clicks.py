"""No click is lost, and no setting torn, because something else comes in at the same moment.

Before a rerun takes in what the visitor did, and whenever a callback of theirs uses the session
state, Streamlit looks whether another rerun is asked for already, and if so drops this one: the
click that it brought is gone. On a busy host the page's own timer is enough for that. Here a rerun
takes in everything first. Nothing is missed by it, because Streamlit looks again right after.

A click on another page is lost in a second way. Until the browser hears that the new page has
begun, its timer still ticks for the old one, and Streamlit goes where the newest request comes
from: back. Here a tick, or a rerun that a page asks for itself, never leaves the page that the
visitor asked for last.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests
from streamlit.runtime.state.safe_session_state import SafeSessionState

_MARK = "_takes_in_everything"


def keep_clicks() -> None:
    """Let reruns of this process take in what they bring, and stay on the page asked for."""
    if hasattr(SafeSessionState, _MARK):
        return
    taking_in = SafeSessionState.on_script_will_rerun
    asking = ScriptRequests._request_rerun_locked

    def on_script_will_rerun(state: SafeSessionState, *given: Any, **named: Any) -> None:
        with _undisturbed(state):
            taking_in(state, *given, **named)

    def request_rerun(requests: ScriptRequests, asked: RerunData) -> bool:
        return asking(requests, _on_the_page(requests._rerun_data, asked))

    ScriptRequests._request_rerun_locked = request_rerun  # type: ignore[assignment,method-assign]
    SafeSessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[assignment,method-assign]
    type.__setattr__(SafeSessionState, _MARK, True)


def _on_the_page(last: RerunData, asked: RerunData) -> RerunData:
    """The rerun that is asked for, of the page that was asked for last if that is another one."""
    by_itself = asked.fragment_id or get_script_run_ctx(suppress_warning=True) is not None
    if not (by_itself and last.page_script_hash):
        return asked
    if asked.page_script_hash == last.page_script_hash:
        return asked
    return replace(
        asked,
        page_script_hash=last.page_script_hash,
        page_name=last.page_name,
        query_string=last.query_string,
        fragment_id=None,
        fragment_id_queue=[],
        is_fragment_scoped_rerun=False,
    )


@contextmanager
def _undisturbed(state: SafeSessionState) -> Iterator[None]:
    """The session state without its looks for other reruns."""
    look = state._yield_callback
    # The object's own way to set an attribute writes into the session.
    object.__setattr__(state, "_yield_callback", _no_look)
    try:
        yield
    finally:
        object.__setattr__(state, "_yield_callback", look)


def _no_look() -> None:
    """Nothing."""
