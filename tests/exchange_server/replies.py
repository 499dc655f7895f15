"""Faults of the transport: what is sent of a reply, and how."""

import gzip
import io
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from itertools import cycle
from typing import Any, Literal

import pandas as pd

from tests.exchange_server.faults import Fault, Refusal

Manner = Literal["whole", "hang", "drip", "drip-head", "reset", "close"]

HTML = b"<html><body>Checking your browser before accessing the exchange</body></html>"
BOMB_BYTES = 210_000_000
_PADDING_BYTES = 6_100_000
_MISSING_BYTES = 1000
_DECIMAL = re.compile(rb'"?-?\d+\.\d+"?')


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, ready to be sent.

    Parameters
    ----------
    body : bytes
    status : int
    content_type : str
    headers : tuple of (str, str)
        Besides the usual ones.
    missing : int
        How much shorter the body is than its header says.
    manner : Manner
        In which way it is sent, or not.
    date : pandas.Timestamp, optional
        Of the header: the venue's time.
    """

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    missing: int = 0
    manner: Manner = "whole"
    date: pd.Timestamp | None = None

    @property
    def head(self) -> bytes:
        """Status line and headers; HTTP/1.0, so no connection outlives its reply."""
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
        headers = [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body) + self.missing)),
            *self.headers,
        ]
        if self.date is not None:
            headers.append(("Date", formatdate(self.date.timestamp(), usegmt=True)))
        lines = [f"HTTP/1.0 {self.status} {phrase}", *(f"{name}: {v}" for name, v in headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def healthy(content: Any) -> Reply:
    """What a venue answers, as JSON unless it is a text."""
    return Reply(content.encode() if isinstance(content, str) else json.dumps(content).encode())


def refusal(status: int, retry_after: str | None = None, *, html: bool = False) -> Reply:
    """A reply with a status of 400 or above."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    if html:
        return Reply(HTML, status, "text/html", headers)
    return Reply(b'{"message": "scripted fault"}', status, headers=headers)


def spoiled(reply: Reply, fault: Fault | None) -> Reply:
    """A healthy reply with a fault of the transport; itself if the fault is none of those."""
    if isinstance(fault, Refusal):
        return refusal(fault.status, fault.retry_after, html=fault.html)
    if isinstance(fault, int):
        return refusal(fault)
    return _SPOILED[fault](reply) if fault in _SPOILED else reply


def _body(body: bytes) -> Callable[[Reply], Reply]:
    return lambda _: Reply(body)


def _manner(manner: Manner) -> Callable[[Reply], Reply]:
    return lambda reply: replace(reply, manner=manner)


def _truncated(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) * 2 // 3])


def _gzipped(body: bytes) -> Reply:
    return Reply(body, headers=(("Content-Encoding", "gzip"),))


def _not_finite(reply: Reply) -> Reply:
    """Decimal numbers, even those in texts, become what JSON has no right to hold."""
    wrong = cycle((b"NaN", b"1e400"))
    return replace(reply, body=_DECIMAL.sub(lambda _: next(wrong), reply.body))


@cache
def _bomb() -> bytes:
    """A JSON list that takes 200 kB on the wire and more than 200 MB in memory."""
    packed, blanks = io.BytesIO(), b" " * 1_000_000
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6) as file:
        file.write(b"[")
        for _ in range(BOMB_BYTES // len(blanks)):
            file.write(blanks)
        file.write(b"]")
    return packed.getvalue()


_RESTRICTED = b'{"code": 0, "msg": "Service unavailable from a restricted location."}'

_SPOILED: dict[Fault | None, Callable[[Reply], Reply]] = {
    "hang": _manner("hang"),
    "drip": _manner("drip"),
    "drip-head": _manner("drip-head"),
    "reset": _manner("reset"),
    "close": _manner("close"),
    "short": lambda reply: replace(reply, missing=_MISSING_BYTES),
    "blank": _body(b""),
    "html": lambda _: Reply(HTML, content_type="text/html"),
    "truncated": _truncated,
    "null": _body(b"null"),
    "object": _body(b"{}"),
    "foo": _body(b'{"foo": 1}'),
    "bad-gzip": lambda _: _gzipped(b"\x1f\x8b no archive"),
    "zip-bomb": lambda _: _gzipped(_bomb()),
    "huge": lambda reply: replace(reply, body=reply.body + b" " * _PADDING_BYTES),
    "binary": _body(random.Random(7).randbytes(2000)),
    "nan-json": _not_finite,
    "restricted": lambda _: Reply(_RESTRICTED, 403),
}
