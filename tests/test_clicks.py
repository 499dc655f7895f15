import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetStates  # noqa: TID251  its reruns are tested
from streamlit.runtime.scriptrunner_utils.script_requests import (  # noqa: TID251
    RerunData,
    ScriptRequests,
)
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


LIVE, LEDGER, HEALTH = "live", "ledger", "health"


def asked(page, fragment=None):
    return RerunData(query_string=f"of={page}", page_script_hash=page, fragment_id=fragment)


def going(*begun):
    """Requests of a session in which these have begun, one after the other."""
    keep_clicks()
    requests = ScriptRequests()
    for each in begun:
        requests.request_rerun(each)
        requests.on_scriptrunner_ready()
    return requests


def next_rerun(requests):
    data = requests.on_scriptrunner_ready().rerun_data
    return data.page_script_hash, data.query_string, data.fragment_id_queue


def test_a_tick_of_the_page_that_is_left_does_not_lead_back_to_it():
    requests = going(asked(LIVE))
    requests.request_rerun(asked(LEDGER))
    requests.request_rerun(asked(LIVE, fragment="timer"))
    assert next_rerun(requests) == (LEDGER, "of=ledger", [])


def test_nor_does_one_that_comes_after_the_next_page_has_begun():
    requests = going(asked(LIVE), asked(LEDGER))
    requests.request_rerun(asked(LIVE, fragment="timer"))
    assert next_rerun(requests) == (LEDGER, "of=ledger", [])


def test_a_tick_of_the_shown_page_reruns_only_what_moves():
    requests = going(asked(LIVE), asked(LEDGER))
    requests.request_rerun(asked(LEDGER, fragment="timer"))
    assert next_rerun(requests) == (LEDGER, "of=ledger", ["timer"])


def test_the_page_that_was_clicked_last_wins():
    requests = going(asked(LIVE))
    requests.request_rerun(asked(LEDGER))
    requests.request_rerun(asked(HEALTH))
    requests.request_rerun(asked(LIVE))
    assert next_rerun(requests)[0] == LIVE


def test_a_page_may_be_left_from_the_first_rerun_whose_page_has_no_name_yet():
    requests = going(asked(""))
    requests.request_rerun(asked(LEDGER))
    requests.request_rerun(asked(LIVE, fragment="timer"))
    assert next_rerun(requests)[0] == LEDGER
