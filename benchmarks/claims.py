"""What a benchmark claims, and how it says whether that holds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """One measured figure and the bound that it must keep.

    Attributes
    ----------
    claim : str
        What is claimed, as a sentence without its end.
    value : float
        As measured.
    limit : float
        The bound.
    ok : bool
        Whether the value keeps it.
    """

    claim: str
    value: float
    limit: float
    ok: bool


def at_most(claim: str, value: float, limit: float) -> Claim:
    """The claim that a figure is at most ``limit``."""
    return Claim(claim, round(float(value), 3), limit, bool(value <= limit))


def at_least(claim: str, value: float, limit: float) -> Claim:
    """The claim that a figure is at least ``limit``."""
    return Claim(claim, round(float(value), 3) + 0.0, limit, bool(value >= limit))  # no -0


def above(claim: str, value: float, limit: float) -> Claim:
    """The claim that a figure is larger than ``limit``."""
    return Claim(claim, round(float(value), 3), limit, bool(value > limit))


def unmeasured(claim: str, limit: float, why: str) -> Claim:
    """A claim that does not hold, because nothing was measured."""
    return Claim(f"{claim} (not measured: {why})", 0.0, limit, False)


def publish(benchmark: str, claims: Sequence[Claim]) -> int:
    """Print the claims, for people first and as JSON on the last line; return the exit code."""
    width = max(len(claim.claim) for claim in claims)
    for claim in claims:
        verdict = "ok" if claim.ok else "MISSED"
        print(f"{claim.claim:<{width}}  {claim.value:>8g}  limit {claim.limit:g}  {verdict}")
    print(json.dumps({"benchmark": benchmark, "claims": [asdict(claim) for claim in claims]}))
    return 0 if claims and all(claim.ok for claim in claims) else 1
