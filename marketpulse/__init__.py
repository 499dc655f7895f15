"""Market Pulse: crypto forecasts that say how far they can be trusted.

Data flows one way, and a module imports only what stands to its left:

``sources -> candles -> features -> dataset -> model -> forecast -> evaluation -> signals ->
ledger -> performance``; ``hub`` is the one place where shell and core meet, ``ui`` draws what
the hub publishes. ``docs/architecture.md`` has the map.
"""

import os

__version__ = "0.1.0"

# Before scikit-learn loads OpenMP: on data this small a second thread makes a fit slower, and it
# would take time from the visitors' reruns.
os.environ.setdefault("OMP_NUM_THREADS", "1")
