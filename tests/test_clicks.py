import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates  # noqa: TID251  its reruns are tested
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState  # noqa: TID251
from streamlit.runtime.state.common import WidgetMetadata  # noqa: TID251
from streamlit.runtime.state.safe_session_state import SafeSessionState  # noqa: TID251
from streamlit.runtime.state.session_state import SessionState  # noqa: TID251

from marketpulse.ui.clicks import keep_clicks


class Interrupted(Exception):
    """What Streamlit does to a rerun when another one is asked for."""


@pytest.fixture
def busy():
    """A session in which another rerun is asked for at every moment, and its button's clicks."""
    ThreadState.initialize()
    asked = []

    def look():
        if asked:
            raise Interrupted

    session, clicks = SafeSessionState(SessionState(), look), []

    def clicked():
        session["note"] = "taken"
        clicks.append(session["note"])

    metadata = WidgetMetadata(
        id="button",
        deserializer=bool,
        serializer=bool,
        value_type="trigger_value",
        callback=clicked,
    )
    session.register_widget(metadata, None)
    asked.append(True)
    return session, clicks


def click():
    states = WidgetStates()
    states.widgets.add(id="button", trigger_value=True)
    return states


def test_a_click_is_taken_in_although_another_rerun_is_asked_for(busy):
    keep_clicks()
    keep_clicks()
    session, clicks = busy
    session.on_script_will_rerun(click())
    assert clicks == ["taken"]
    with pytest.raises(Interrupted):  # it looks again as before
        session["note"]
