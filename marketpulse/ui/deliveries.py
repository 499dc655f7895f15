"""No part of a page is lost on its way to the browser, because a tick comes right after it.

What a rerun draws waits until the server's loop sends it. When a fragment begins, Streamlit throws
away what still waits of that fragment, because it is about to be drawn again. On a busy host that
is part of a whole page, of which the browser then hears that it is complete: it removes what was
at that place, and everything below moves up and is built anew, the chart among it. Here what
waits is sent, and what the fragment draws follows it.
"""

from collections.abc import Sequence

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

_MARK = "_keeps_pages"


def keep_pages() -> None:
    """Let no fragment of this process throw away what waits to be sent."""
    if hasattr(ForwardMsgQueue, _MARK):
        return
    clearing = ForwardMsgQueue.clear

    def clear(
        queue: ForwardMsgQueue,
        retain_lifecycle_msgs: bool = False,
        fragment_ids_this_run: Sequence[str] | None = None,
    ) -> None:
        if fragment_ids_this_run is None:
            clearing(queue, retain_lifecycle_msgs)
        else:
            # What comes takes the place of nothing that waits: it belongs to another rerun.
            queue._delta_index_map = {}

    ForwardMsgQueue.clear = clear  # type: ignore[assignment,method-assign]
    setattr(ForwardMsgQueue, _MARK, True)
