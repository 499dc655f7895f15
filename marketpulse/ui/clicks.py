"""No click is lost, and no setting torn, because something else comes in at the same moment.

Before a rerun takes in what the visitor did, and whenever a callback of theirs uses the session
state, Streamlit looks whether another rerun is asked for already, and if so drops this one: the
click that it brought is gone. On a busy host the page's own timer is enough for that. Here a rerun
takes in everything first. Nothing is missed by it, because Streamlit looks again right after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamlit.runtime.state.safe_session_state import SafeSessionState

_MARK = "_takes_in_everything"


def keep_clicks() -> None:
    """Let reruns of this process take in what they bring before they look for newer ones."""
    if hasattr(SafeSessionState, _MARK):
        return
    taking_in = SafeSessionState.on_script_will_rerun

    def on_script_will_rerun(state: SafeSessionState, *given: Any, **named: Any) -> None:
        with _undisturbed(state):
            taking_in(state, *given, **named)

    SafeSessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[assignment,method-assign]
    type.__setattr__(SafeSessionState, _MARK, True)


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
