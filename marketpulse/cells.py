"""Text in cells of a table that may come to be opened in a spreadsheet."""

import re

# Where a cell begins, or would for a program that takes another separator than the comma, before
# what begins a formula, in half and in full width; spaces between are passed over.
_FORMULA = re.compile(r"""(^|[;,|"\t\r])(?=\s*[=+\-@\t\r＝＋－＠])""")


def defused(text: str) -> str:
    """The text with a quote before all that a spreadsheet would take for a formula."""
    return _FORMULA.sub(r"\1'", text)
