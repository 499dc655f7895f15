"""Whether anybody can see the tab, as its browser says."""

import streamlit as st

# Told when the tab is hidden or shown again; at once, if it was opened in the background.
SCRIPT = """
export default function ({ setStateValue }) {
  const tell = () => setStateValue("hidden", document.hidden);
  document.addEventListener("visibilitychange", tell);
  if (document.hidden) tell();
  return () => document.removeEventListener("visibilitychange", tell);
}
"""

_visibility = st.components.v2.component("marketpulse.visibility", js=SCRIPT)


def tab_is_hidden() -> bool:
    """Whether the visitor looks at another tab. Reruns where it is called when that changes."""
    seen = _visibility(key="visibility", on_hidden_change=_nothing)
    return bool(seen.hidden)


def _nothing() -> None:
    """Without a callback a component keeps no state; the rerun alone is what is wanted."""
