"""Pictures of a screen in so few points that what they show matters, and not how a font is drawn.

A point is the mean grey of a square of `CELL` pixels. Pictures are compared after another mean over
neighbouring points, so that a letter may be a pixel further to the left on another machine.
"""

from io import BytesIO

from PIL import Image, ImageChops, ImageFilter

CELL = 8
# Of 255. Measured: other ways to draw the same letters make 10 at most, an element that is missing
# or has moved 16 at least.
BOUND = 13
# So many points more or less at the end of a page are no difference.
SLACK = 2


def small(screenshot, scale=1):
    """A screenshot as points.

    Parameters
    ----------
    screenshot : bytes
        As a file.
    scale : int
        Its pixels for each of the page's.
    """
    return Image.open(BytesIO(screenshot)).convert("L").reduce(CELL * scale)


def difference(one, other):
    """How far two pictures are apart where they are furthest: 0 to 255, or why they cannot be."""
    (width, height), (other_width, other_height) = one.size, other.size
    if width != other_width or abs(height - other_height) > SLACK:
        return 255
    box = (0, 0, width, min(height, other_height))
    apart = ImageChops.difference(*(_smooth(each.crop(box)) for each in (one, other)))
    return apart.getextrema()[1]


def alike(one, other):
    """Whether two pictures show the same."""
    return difference(one, other) <= BOUND


def _smooth(picture):
    return picture.filter(ImageFilter.BoxBlur(1))
