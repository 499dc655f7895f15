"""The way to a venue: who is let through, who shares whose call, and who is left alone how long."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pandas as pd
import pytest

from marketpulse.errors import (
    BadReply,
    SourceUnavailable,
    UnknownSymbol,
    VenueRefused,
    VenueTroubled,
    VenueUnreachable,
)
from marketpulse.sources.gateway import Gateway, Standing

NOW = pd.Timestamp("2026-03-01 10:00:00", tz="UTC")
SILENT = VenueUnreachable("bitstamp did not answer in time.")


def banned(status, seconds):
    return VenueRefused(f"bitstamp says {status}.", status=status, seconds=seconds)


class Clock:
    """Monotonic seconds that pass when they are told to."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


class Line:
    """A wire on which nothing is sent."""

    calls, clock_offset = 3, pd.Timedelta(seconds=4)

    def begin(self, now, seconds):
        self.begun = (now, seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gateway(clock):
    return Gateway("bitstamp", Line, clock=clock, sleep=clock.sleep)


class Question:
    """Something to ask: answers, or raises, one after the other; the last one for ever."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = 0

    def __call__(self, _):
        outcome = self.outcomes[min(self.asked, len(self.outcomes) - 1)]
        self.asked += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def ask(gateway, question, what="page", symbol="BTC/USD", **options):
    return gateway.call(symbol, what, question, now=NOW, **options)


def failing(gateway, error, what="page"):
    with pytest.raises(type(error)):
        ask(gateway, Question(error), what)


# Standing ----------------------------------------------------------------------------------------


def test_a_venue_is_tried_again_after_two_failures_and_left_alone_after_three():
    standing = Standing().after(SILENT, 10).after(SILENT, 20)
    assert standing.wait(20) <= 0
    assert standing.after(SILENT, 30).wait(30) == 30


def test_failures_that_lie_far_apart_do_not_add_up():
    standing = Standing()
    for at in (0, 40, 80, 120, 160):
        standing = standing.after(SILENT, at)
    assert standing.wait(160) <= 0


def test_an_answer_forgives_everything():
    standing = Standing().after(SILENT, 0).after(SILENT, 1).after(None, 2).after(SILENT, 3)
    assert standing.wait(3) <= 0
    assert standing.after(None, 4) == Standing(answered=4)


def test_after_a_rest_one_failure_is_enough_for_the_next_rest():
    standing = Standing()
    for at in (0, 1, 2, 32):
        standing = standing.after(SILENT, at)
    assert standing.wait(32) == 30


@pytest.mark.parametrize(("status", "seconds"), [(429, 60), (418, 120), (403, 600)])
def test_a_ban_lasts_as_long_as_it_was_said(status, seconds):
    standing = Standing().after(banned(status, seconds), 5)
    assert standing.wait(5) == seconds
    assert standing.wait(5 + seconds) <= 0


def test_a_shorter_ban_does_not_end_a_longer_one():
    standing = Standing().after(banned(403, 600), 0).after(banned(429, 1), 10)
    assert standing.wait(10) == 590


def test_an_unknown_pair_is_no_failure_of_the_venue():
    standing = Standing()
    for at in range(9):
        standing = standing.after(UnknownSymbol("bitstamp has no pair X/Y."), at)
    assert standing == Standing(answered=8)


# Gateway -----------------------------------------------------------------------------------------


def test_nobody_is_let_through_while_a_venue_rests_and_one_is_after_it(gateway, clock):
    for number in range(3):
        failing(gateway, SILENT, f"page {number}")
    question = Question("candles")
    with pytest.raises(SourceUnavailable, match=r"in time; it is left alone until 10:00:30 UTC\.$"):
        ask(gateway, question)
    assert question.asked == 0
    clock.seconds += 31
    assert ask(gateway, question) == "candles"


def test_a_blocked_venue_is_never_asked_again(gateway, clock):
    failing(gateway, banned(451, float("inf")))
    clock.seconds += 1e9
    question = Question("candles")
    with pytest.raises(SourceUnavailable, match=r"^bitstamp says 451\.$"):
        ask(gateway, question)
    assert question.asked == 0


def test_one_that_is_in_trouble_is_asked_once_more_after_a_moment(gateway, clock):
    question = Question(VenueTroubled("bitstamp has trouble of its own (503)."), "candles")
    assert ask(gateway, question) == "candles"
    assert 1000.5 <= clock.seconds <= 1001.5
    failing(gateway, VenueTroubled("bitstamp has trouble of its own (503)."), "another page")


@pytest.mark.parametrize("error", [SILENT, BadReply("no data"), banned(429, 60)])
def test_nothing_else_is_asked_for_twice(gateway, error):
    question = Question(error, "candles")
    with pytest.raises(type(error)):
        ask(gateway, question)
    assert question.asked == 1


def test_a_question_that_failed_fails_again_without_a_call_for_ten_seconds(gateway, clock):
    question = Question(SILENT, "candles")
    for _ in range(20):
        with pytest.raises(VenueUnreachable):
            ask(gateway, question)
    assert question.asked == 1
    clock.seconds += 10
    assert ask(gateway, question) == "candles"


def test_an_unknown_pair_stays_unknown_for_an_hour_whatever_is_asked_of_it(gateway, clock):
    question = Question(UnknownSymbol("bitstamp has no pair BTC/USD."), "candles")
    for what in ("page", "quote", "another page"):
        with pytest.raises(UnknownSymbol):
            ask(gateway, question, what)
    assert question.asked == 1
    assert ask(gateway, Question("other candles"), symbol="ETH/USD") == "other candles"
    clock.seconds += 3600
    assert ask(gateway, question) == "candles"


def test_an_answer_serves_others_for_as_long_as_it_is_kept(gateway, clock):
    question = Question("first", "second")
    assert [ask(gateway, question, kept=4) for _ in range(3)] == ["first"] * 3
    clock.seconds += 4
    assert ask(gateway, question, kept=4) == "second"


def test_an_answer_that_is_not_kept_serves_nobody_else(gateway):
    question = Question("first", "second")
    assert [ask(gateway, question), ask(gateway, question)] == ["first", "second"]


def test_a_mistake_of_ours_is_raised_to_all_who_wait_and_not_remembered(gateway):
    question = Question(ZeroDivisionError("a mistake"), "candles")
    with pytest.raises(ZeroDivisionError):
        ask(gateway, question)
    assert ask(gateway, question) == "candles"
    assert gateway.state(NOW).state == "ok"


def test_twenty_who_ask_the_same_at_once_share_one_call():
    gateway, begun, may_end = Gateway("bitstamp", Line), Event(), Event()
    asked = []

    def question(_):
        asked.append(1)
        begun.set()
        assert may_end.wait(10)
        return "candles"

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(ask, gateway, question) for _ in range(20)]
        assert begun.wait(10)
        time.sleep(0.05)
        may_end.set()
        assert {answer.result(10) for answer in answers} == {"candles"}
    assert len(asked) == 1


def test_different_questions_are_put_one_after_the_other():
    gateway, at_once, most, lock = Gateway("bitstamp", Line), 0, 0, Lock()

    def question(_):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.005)
        with lock:
            at_once -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: ask(gateway, question, n), range(20)))
    assert most == 1


def test_every_call_is_told_the_time_and_how_long_it_may_take(gateway):
    seen = []
    ask(gateway, lambda wire: seen.append(wire.begun))
    assert seen == [(NOW, 6.0)]


# What is told of it ------------------------------------------------------------------------------


def test_a_venue_that_nobody_asked_has_nothing_to_tell(gateway):
    state = gateway.state(NOW)
    assert (state.state, state.calls, state.clock_offset, state.answered) == (
        "unasked",
        0,
        None,
        None,
    )


def test_a_good_answer_is_told_with_its_time(gateway, clock):
    ask(gateway, Question("candles"))
    clock.seconds += 12
    state = gateway.state(NOW)
    assert (state.state, state.error) == ("ok", "")
    assert state.answered == NOW - pd.Timedelta(seconds=12)
    assert (state.calls, state.clock_offset) == (3, pd.Timedelta(seconds=4))


def test_one_failure_is_told_with_its_sentence_and_three_with_the_end_of_the_rest(gateway):
    failing(gateway, SILENT)
    assert (gateway.state(NOW).state, gateway.state(NOW).error) == ("failing", str(SILENT))
    failing(gateway, SILENT, "second")
    failing(gateway, SILENT, "third")
    state = gateway.state(NOW)
    assert (state.state, state.until) == ("resting", NOW + pd.Timedelta(seconds=30))


def test_a_ban_is_told_with_its_end_and_a_country_without_one(gateway):
    failing(gateway, banned(429, 90))
    assert gateway.state(NOW).state == "banned"
    assert gateway.state(NOW).until == NOW + pd.Timedelta(seconds=90)
    other = Gateway("binance", Line)
    failing(other, banned(451, float("inf")))
    assert (other.state(NOW).state, other.state(NOW).until) == ("blocked", None)
