"""The box that explains a page's figures on the first visit, until it is put away."""

import streamlit as st

from marketpulse.hints import hints_text
from marketpulse.ui import session


def draw_hints(page: str) -> None:
    """Explain the figures of a page, unless the visitor has had enough of that.

    Parameters
    ----------
    page : str
        As in `marketpulse.hints.HINTS`.
    """
    # Always there, so that what stands below it stays the same element when it goes.
    with st.container(gap=None):
        if session.wants_hints():
            _draw_box(page)


def _draw_box(page: str) -> None:
    with st.container(border=True, key="hints"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown("**New here?** What you see:", width="content")
            st.button(
                "Got it",
                key="hints-done",
                on_click=session.want_hints,
                args=(False,),
                icon=":material/check:",
            )
        st.markdown(hints_text(page))
