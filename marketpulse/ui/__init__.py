"""The only package that imports Streamlit, besides app.py and pages/.

Whatever imports it imports everything else next. So that no visitor waits for it, the collector is
told here to leave alone what is imported already and to look less often: the imports would set it
off hundreds of times.
"""

import gc

# As it is imported it walks through every module that there is by then: the sooner, the fewer.
import streamlit_autorefresh  # noqa: F401

# Allocations before a collection of the youngest generation, and how many of each before the next.
RARE_COLLECTIONS = (100_000, 50, 50)

gc.freeze()
gc.set_threshold(*RARE_COLLECTIONS)
