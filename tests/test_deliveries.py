from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: TID251  its messages are tested
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue  # noqa: TID251

from marketpulse.ui.deliveries import keep_pages

TIMER = "timer"


def text(path, body, fragment=""):
    message = ForwardMsg()
    message.metadata.delta_path.extend(path)
    message.delta.fragment_id = fragment
    message.delta.new_element.markdown.body = body
    return message


def end(status):
    message = ForwardMsg()
    message.script_finished = status
    return message


def waiting(*messages):
    """A queue of what waits to be sent."""
    keep_pages()
    keep_pages()
    queue = ForwardMsgQueue()
    for each in messages:
        queue.enqueue(each)
    return queue


def told(queue):
    """What the browser is told, in order."""
    return [
        each.delta.new_element.markdown.body
        if each.HasField("delta")
        else ForwardMsg.ScriptFinishedStatus.Name(each.script_finished)
        for each in queue.flush()
    ]


def page():
    """A whole page with a fragment in it."""
    return waiting(
        text([0, 0], "head"),
        text([0, 1], "price of the page", TIMER),
        text([0, 2], "chart"),
        end(ForwardMsg.FINISHED_SUCCESSFULLY),
    )


def test_a_page_that_still_waits_is_sent_whole_before_the_tick_that_follows_it():
    queue = page()
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=[TIMER])
    queue.enqueue(text([0, 1], "price of the tick", TIMER))
    queue.enqueue(end(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY))
    assert told(queue) == [
        "head",
        "price of the page",
        "chart",
        "FINISHED_SUCCESSFULLY",
        "price of the tick",
        "FINISHED_FRAGMENT_RUN_SUCCESSFULLY",
    ]


def test_a_page_that_still_waits_gives_way_to_the_next_page():
    queue = page()
    queue.clear(retain_lifecycle_msgs=True)
    queue.enqueue(text([0, 0], "head of the next"))
    assert told(queue) == ["FINISHED_EARLY_FOR_RERUN", "head of the next"]


def test_a_queue_whose_messages_are_sent_is_empty():
    queue = page()
    told(queue)
    assert queue.is_empty()
