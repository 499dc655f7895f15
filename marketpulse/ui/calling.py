"""*Call it*: the visitor's own up or down, and how their calls did beside the trees and a coin."""

from dataclasses import replace

import streamlit as st

from marketpulse.calls import Call, next_as_of, refusal
from marketpulse.hub import Hub
from marketpulse.market import Market
from marketpulse.scoreboard import Scoreboard
from marketpulse.ui import session
from marketpulse.ui.cached import shared_scoreboard
from marketpulse.ui.frame import Frame
from marketpulse.words import score_text, score_verdict_text
from marketpulse.zones import time_text

HELP = (
    "You call before the bar closes that the trees forecast from, so that nobody knows more than"
    " they do; your first call counts and stays. Right is who pointed the way that the price went"
    " from one time to the other: if it comes out exactly the same, nobody was. Of the trees their"
    " raw lean counts, whatever trust it has; where that is none at all, they are not right. The"
    " coin is the last bit of a hash of market and time, the same for everybody. You are judged as"
    " the trees are, against what a coin gets on average: the 95 % interval decides."
)
WAYS = {
    True: ("Up", ":material/arrow_upward:"),
    False: ("Down", ":material/arrow_downward:"),
}


def carry_out(call: Call, hub: Hub, market: Market) -> None:
    """Take a call, once; runs as a button's callback, and touches no Streamlit state."""
    market.call(call, hub.clock())


def draw_call(frame: Frame) -> None:
    """The two buttons, what the visitor called, and the scoreboard."""
    outlook, shown, caller = frame.report.long.outlook, frame.snapshot, session.caller()
    if outlook.predictions.empty:
        return
    horizon, as_of = outlook.horizon, next_as_of(outlook.horizon, shown.now)
    offered = Call(caller, shown.venue, horizon, as_of, up=True, time=shown.now)
    made = frame.market.calls.find(caller, horizon, as_of)
    trouble = refusal(offered, shown) or frame.market.calls.refused(caller, horizon)
    with st.container(border=True):
        target = time_text(offered.target_time, frame.zone)
        begin = f"{as_of.tz_convert(frame.zone):%H:%M}"
        question = f"at {target}, above or below its price at {begin}?"
        st.markdown(f"**Call it** · {question}", help=HELP)
        with st.container(horizontal=True, gap="xsmall"):
            for up in WAYS:
                _draw_button(frame, replace(offered, up=up), made)
        st.caption(_said(made, trouble, offered, frame.zone))
        _draw_score(shared_scoreboard(shown, frame.report, caller))


def _draw_button(frame: Frame, call: Call, made: Call | None) -> None:
    label, icon = WAYS[call.up]
    chosen = made is not None and made.up == call.up
    st.button(
        label,
        key=f"call-{label}-{call.horizon.minutes}-{call.as_of:%j-%H:%M}",
        icon=":material/check:" if chosen else icon,
        on_click=carry_out,
        args=(call, frame.hub, frame.market),
        disabled=made is not None or bool(refusal(call, frame.snapshot)),
        width="stretch",
    )


def _said(made: Call | None, trouble: str, offered: Call, zone: str) -> str:
    """What became of the visitor's call, or until when there is time for it."""
    if made is not None:
        way = WAYS[made.up][0].lower()
        return f"You called **{way}** at {time_text(made.time, zone, '%H:%M:%S')}. It stays."
    if trouble:
        return f":material/block: {trouble}"
    return f"Open until {time_text(offered.as_of, zone)}. Your first call counts."


def _draw_score(board: Scoreboard) -> None:
    said = score_verdict_text(board)
    if board.n:
        st.markdown(score_text(board))
    if said:
        st.caption(said)
