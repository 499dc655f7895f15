"""Every error that Market Pulse raises on purpose.

::

    MarketPulseError
    ├── DataError
    │   ├── SourceUnavailable      a venue did not answer, or refused to
    │   │   ├── VenueUnreachable   no answer, or none in time
    │   │   ├── VenueTroubled      it failed, or broke off: asked once more
    │   │   ├── VenueRefused       it told us to stay away, and for how long
    │   │   ├── BadReply           what it sent is not what was asked for
    │   │   └── ClockOff           its clock and ours are too far apart
    │   ├── UnknownSymbol          no such pair at this source; names the near matches
    │   ├── MalformedCandles       rows that cannot be candles; says which row and why
    │   └── NotEnoughCandles       too little history for what was asked
    ├── ModelError
    │   ├── ArtifactRejected       a saved model that is unsigned, damaged or of another version
    │   └── TooManyHorizons        every place for a further horizon is taken
    ├── SchedulerUnavailable       the cluster that is to do the work cannot be had
    ├── CacheError                 the candle cache cannot be read or written
    ├── RecordError                the record of forecasts is damaged, or cannot be read or written
    ├── JournalError               a journal of paper books is damaged, or cannot be read or written
    ├── ImportRefused              a file that is no book; says why
    └── LedgerError
        ├── InvalidOrder           an amount, price or quantity that cannot be traded
        ├── InsufficientCash       a buy that costs more than there is
        └── InsufficientPosition   a sell of more than is held

A message is one sentence that a user can act on: the screen and the command line print it as it
is. Programmer mistakes raise ``ValueError`` and are not part of the tree.
"""


class MarketPulseError(Exception):
    """Root of the tree: the only error that the screen and the command line translate."""


class DataError(MarketPulseError):
    """Candles or quotes could not be had, or could not be used."""


class SourceUnavailable(DataError):
    """A venue did not answer, or refused to."""


class VenueUnreachable(SourceUnavailable):
    """A venue gave no answer, or none in time."""


class VenueTroubled(SourceUnavailable):
    """A venue failed, or broke off in the middle of its reply: worth asking once more."""


class VenueRefused(SourceUnavailable):
    """A venue told us to stay away.

    Parameters
    ----------
    message : str
    status : int
        HTTP status that says why.
    seconds : float
        How long it is not to be asked; infinite for as long as the process lives.
    """

    def __init__(self, message: str, *, status: int, seconds: float) -> None:
        super().__init__(message)
        self.status = status
        self.seconds = seconds


class BadReply(SourceUnavailable):
    """What a venue sent is not what was asked for."""


class ClockOff(SourceUnavailable):
    """A venue's clock and this machine's are too far apart to tell which candles are closed."""


class UnknownSymbol(DataError):
    """The source has no such pair."""


class MalformedCandles(DataError):
    """Rows that cannot be candles."""


class NotEnoughCandles(DataError):
    """Too little history for what was asked."""


class ModelError(MarketPulseError):
    """A model could not be had."""


class ArtifactRejected(ModelError):
    """A saved model is unsigned, damaged or of another version."""


class TooManyHorizons(ModelError):
    """Every place for a further horizon is taken."""


class SchedulerUnavailable(MarketPulseError):
    """The cluster that is to do the work cannot be had."""


class CacheError(MarketPulseError):
    """The candle cache cannot be read or written."""


class RecordError(MarketPulseError):
    """The record of forecasts is damaged, or cannot be read or written."""


class JournalError(MarketPulseError):
    """The journal of paper books is damaged, or cannot be read or written."""


class ImportRefused(MarketPulseError):
    """A file is no book that could be opened."""


class LedgerError(MarketPulseError):
    """An order that the book refuses whole."""


class InvalidOrder(LedgerError):
    """An amount, price or quantity that cannot be traded."""


class InsufficientCash(LedgerError):
    """A buy costs more than there is."""


class InsufficientPosition(LedgerError):
    """A sell asks for more than is held."""
