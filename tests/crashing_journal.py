"""A process whose writers place deeds in a journal as fast as they can until they are killed.

``python -m tests.crashing_journal URL`` reads lines: the number of a cycle starts a writer, and
whatever comes next kills it with SIGKILL. What a writer is about to place and what it has placed it
says on stdout. Each is a fork, because a new process would take a second to import pandas.
"""

import os
import signal
import sys
import traceback
from itertools import count
from random import Random

import pandas as pd
import sqlalchemy as sa

from marketpulse.books import BookKey
from marketpulse.journal import Journal
from tests.books import BTC, NOON, deposit, ordered

OWNER = "a-crashing-writer-0000"
CYCLES_PER_BOOK = 10


def key_of(cycle):
    """The book that the writer of a cycle writes to; several in a row go on with the same."""
    return BookKey(OWNER, "bitstamp", BTC, f"run {cycle // CYCLES_PER_BOOK}")


def deed_id(cycle, number):
    return f"{cycle}-{number}"


def deed(cycle, number):
    """The events of a deed, mostly one, of which the last has the deed's id."""
    chance = Random(f"{cycle} {number}")
    time = NOON + pd.Timedelta(number, "ms")
    id, size = deed_id(cycle, number), chance.choice((1, 1, 1, 2, 5))
    names = [*(f"{id}.{part}" for part in range(size - 1)), id]
    return [
        deposit(f"{chance.randrange(1, 10**6)}.{chance.randrange(10**8):08}", id=name, time=time)
        if chance.random() < 0.5
        else ordered("buy", amount=chance.randrange(1, 10**4), id=name, time=time)
        for name in names
    ]


def place(journal, cycle, number):
    events = deed(cycle, number)
    return journal.place(key_of(cycle), events[-1].id, lambda _: events, time=events[-1].time)


def write_until_killed(url, cycle, repeated):
    """Repeat what the writer before placed last, as a client does that heard no answer; go on."""
    journal = Journal(url)
    journal.open(key_of(cycle), deposit().amount, NOON)
    if repeated:
        place(journal, *repeated)
    for number in count():
        say(f"begin {number}")
        place(journal, cycle, number)
        say("done")


def say(line):
    os.write(1, f"{line}\n".encode())


def main(url):
    sa.create_engine(url).dispose()  # what a driver imports, it imports once
    for line in iter(sys.stdin.readline, ""):
        cycle, *repeated = (int(word) for word in line.split())
        writer = os.fork()
        if not writer:
            try:
                write_until_killed(url, cycle, repeated)
            except BaseException:
                say("failed")
                traceback.print_exc()
            finally:
                os._exit(1)
        sys.stdin.readline()
        os.kill(writer, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1])
        say(f"ended {status}")


if __name__ == "__main__":
    main(sys.argv[1])
