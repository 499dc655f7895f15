"""Files that are no books, made by hand: what each is, its bytes, and what is said of it."""

import json
from hashlib import sha256

from marketpulse.bookfile import exported
from marketpulse.events import Armed, Deposit, Rejection
from marketpulse.ledger import fold
from tests.books import BTC, NOON, carried_out, deposit, fill, ordered

SOURCE = "bitstamp"
BYTES = 1_000_000


def history():
    """A small book with an event of nearly every kind."""
    events = [deposit(id="opening")]
    for id, asked in (("a", {"amount": 1000}), ("b", {"amount": 500})):
        order = ordered("buy", id=id, **asked)
        answer, _ = carried_out(fold(events), order, price="50000.25", volume=None)
        events += [order, answer]
    events += [
        ordered("buy", id="c", amount=20_000),
        Rejection("c/rejected", NOON, "c", "No price came within 3 minutes."),
        Armed("on", NOON, (("symbol", BTC), ("tail", "100"))),
    ]
    return events


def good():
    """The file of that book."""
    return exported(history(), source=SOURCE, symbol=BTC)


def sealed(file):
    """A file with the right checksum for whatever its events are."""
    events = json.dumps(file["events"], sort_keys=True, separators=(",", ":"))
    return json.dumps({**file, "checksum": sha256(events.encode()).hexdigest()}).encode()


def changed(**values):
    """The good file with other entries, sealed."""
    return sealed({**json.loads(good()), **values})


def event_changed(number, **values):
    """The good file with other fields in one event, sealed; None takes a field away."""
    file = json.loads(good())
    event = {**file["events"][number], **values}
    file["events"][number] = {key: value for key, value in event.items() if value is not ...}
    return sealed(file)


def raw(old, new):
    """The good file with some bytes replaced once, not sealed."""
    assert old in good()
    return good().replace(old, new, 1)


def of(*events):
    """A file of events that are no possible history."""
    return exported(events, source=SOURCE, symbol=BTC)


def padded(start, unit, end):
    """As many units as fit into the largest file."""
    return start + unit * ((BYTES - len(start) - len(end)) // len(unit)) + end


def many_deposits(n):
    return [Deposit(str(number), NOON, deposit("1").amount) for number in range(n)]


EVENTS = json.loads(good())["events"]
DUPLICATE = b'"version":1'
NO_BOOK = "The file is no book"
CHANGED = "The file was changed or is damaged"
IMPOSSIBLE = "The file is no possible history: "

HOSTILE = {
    # No JSON, or not of this kind
    "nothing": (b"", NO_BOOK),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(1000), NO_BOOK),
    "an archive": (b"PK\x03\x04" + b"a" * 1000, NO_BOOK),
    "compressed": (b"\x1f\x8b\x08\x00" + bytes(100), NO_BOOK),
    "a page": (b"<html><script>alert(1)</script></html>", NO_BOOK),
    "a table": (b"time,side,price\n2026,buy,1\n", NO_BOOK),
    "zeros": (bytes(BYTES), NO_BOOK),
    "a byte order mark": (b"\xef\xbb\xbf" + good(), NO_BOOK),
    "another encoding": (good().decode().encode("utf-16"), NO_BOOK),
    "broken text": (raw(b"by hand", b"by \xff\xfehand"), NO_BOOK),
    "a number": (b"1", NO_BOOK),
    "a list": (b"[" + good() + b"]", NO_BOOK),
    "null": (b"null", NO_BOOK),
    "cut off": (good()[:-20], NO_BOOK),
    "twice": (good() + good(), NO_BOOK),
    "half a byte too many": (good() + b"x", NO_BOOK),
    # Bombs
    "a byte too large": (good().ljust(BYTES + 1), "larger than 1 MB"),
    "much too large": (bytes(20 * BYTES), "larger than 1 MB"),
    "deep lists": (b"[" * BYTES, "nested deeper"),
    "deep objects": (padded(b"", b'{"a":', b""), "nested deeper"),
    "lists beside lists": (padded(b"[[]", b",[]", b"]"), NO_BOOK),
    "objects beside objects": (padded(b"[{}", b",{}", b"]"), NO_BOOK),
    "one long string": (padded(b'"', b"a", b'"'), NO_BOOK),
    "a string without an end": (padded(b'["', b'\\"', b""), NO_BOOK),
    "quotes without an end": (padded(b"", b'"a', b""), NO_BOOK),
    "a long number": (padded(b"", b"9", b""), "digits"),
    "a long fraction": (padded(b"0.", b"9", b""), "too long"),
    "a huge exponent": (raw(b'"version":1', b'"version":1e999999999'), "too long or too large"),
    "many keys": (
        b"{" + b",".join(b'"%d":1' % number for number in range(90_000)) + b"}",
        NO_BOOK,
    ),
    "an event of many keys": (
        changed(events=[dict.fromkeys(map(str, range(60_000)), 1)]),
        "it has 60000 fields",
    ),
    "a long reason": (event_changed(1, reason="x" * 500_000), "reason"),
    "many settings": (event_changed(7, settings=[["a", "b"]] * 50_000), "settings"),
    "too many events": (of(*many_deposits(10_001)), "events"),
    "many events and one too bad": (
        of(*many_deposits(9_999), fill("sell", 1, 1, id="last")),
        "No BTC is held",
    ),
    # Tricks of JSON
    "a key twice": (raw(DUPLICATE, DUPLICATE + b"," + DUPLICATE), "a key is named twice"),
    "an amount twice": (
        raw(b'"amount":"10000"', b'"amount":"10000","amount":"99999"'),
        "a key is named twice",
    ),
    "not a number": (raw(b'"fee_bps":40.0', b'"fee_bps":NaN'), "NaN is no number"),
    "infinity": (raw(b'"fee_bps":40.0', b'"fee_bps":Infinity'), "Infinity is no number"),
    "minus infinity": (raw(b'"fee_bps":40.0', b'"fee_bps":-Infinity'), "-Infinity is no number"),
    "infinity in disguise": (raw(b'"fee_bps":40.0', b'"fee_bps":1e400'), "too large"),
    # Numbers and times
    "an exponent": (event_changed(0, amount="1e1000000"), "amount"),
    "a NaN as text": (event_changed(0, amount="NaN"), "amount"),
    "Arabic digits": (event_changed(0, amount="\u0661\u0660\u0660"), "amount"),
    "Devanagari digits": (event_changed(0, amount="\u0967\u0966"), "amount"),
    "an underscore": (event_changed(0, amount="1_000"), "amount"),
    "16 digits": (event_changed(0, amount="1000000000000000"), "amount"),
    "a float for money": (event_changed(0, amount=10000.0), "amount"),
    "a truth for money": (event_changed(0, amount=True), "amount"),
    "a negative deposit": (event_changed(0, amount="-10000"), IMPOSSIBLE),
    "a deposit of nothing": (event_changed(0, amount="0"), IMPOSSIBLE),
    "minus nothing": (event_changed(0, amount="-0"), IMPOSSIBLE),
    "the year 9999": (event_changed(0, time="9999-01-01T00:00:00.000000Z"), "time"),
    "no time zone": (event_changed(0, time="2026-01-02T12:00:00.000000"), "time"),
    # Other files' contents
    "another format": (changed(format="Another book"), "format"),
    "a later version": (changed(version=2), "version"),
    "a truth for a version": (changed(version=True), "version"),
    "an owner": (changed(owner="x" * 22), "owner"),
    "a path for a source": (changed(source="../../etc/passwd"), "source"),
    "a tag for a symbol": (changed(symbol="<b>/USD"), "symbol"),
    "another symbol": (changed(symbol="ETH/USD"), "trades BTC/USD"),
    "no events": (changed(events=[]), "events"),
    "events that are none": (changed(events=[1, None, "x"]), "Event 1 of the file is none"),
    "events in an object": (changed(events={"0": {}}), "events"),
    # Histories that never were
    "an amount that was changed": (raw(b'"amount":"10000"', b'"amount":"90000"'), CHANGED),
    "a fill left out": (changed(events=EVENTS[2:]), IMPOSSIBLE),
    "an id twice": (
        changed(events=EVENTS * 2),
        "was there, or answered, before",
    ),
    "an answer before its order": (
        changed(events=[EVENTS[0], EVENTS[6], EVENTS[5]]),
        "Event 3 of the file was there, or answered, before",
    ),
    "two answers to an order": (
        changed(events=[*EVENTS[:3], {**EVENTS[6], "id": "a/rejected", "order": "a"}]),
        "Event 4 of the file was there, or answered, before",
    ),
    "a kind that is not": (event_changed(0, event="dividend"), "Event 1 of the file is none"),
    "a field too many": (event_changed(0, bonus="1"), "bonus"),
    "a field too few": (event_changed(0, amount=...), "amount"),
    "a short sale": (event_changed(2, side="sell"), IMPOSSIBLE),
    "more than there is": (event_changed(2, quantity="5"), IMPOSSIBLE),
    "a gift of a fee": (event_changed(2, fee="-100"), IMPOSSIBLE),
    "a price that its receipt denies": (event_changed(2, price="1"), IMPOSSIBLE),
    "a fill of another order": (event_changed(2, order="b"), "id"),
    "text that turns around": (event_changed(1, reason="\u202eexe.koob"), "cannot be seen"),
    "half a character": (event_changed(1, reason="\ud800"), "reason"),
    "a line break in an id": (event_changed(1, id="a\nb"), "id"),
}
