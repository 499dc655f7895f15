import subprocess
import sys
from textwrap import dedent

import pytest

from marketpulse.packages import without_init

# A package that tells when it is imported, with two modules.
FILES = {
    "__init__.py": "print('whole'); from loud.horn import blow; volume = 11",
    "horn.py": "print('horn')\ndef blow(times=1): return 'toot' * times\nblow.key = 'F'",
    "mute.py": "print('mute')\nfrom loud import blow\ndef quiet(): return blow(2)",
}


@pytest.fixture
def said(tmp_path):
    """What a fresh process prints that runs some lines, with the package on its path."""
    folder = tmp_path / "loud"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)

    def run(lines):
        program = "from marketpulse.packages import without_init\n" + dedent(lines)
        path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        ran = subprocess.run(
            [sys.executable, "-c", path + program], capture_output=True, text=True, check=True
        )
        return ran.stdout.split()

    return run


def test_a_module_is_imported_without_its_package(said):
    assert said("without_init('loud'); import loud.horn; print(loud.horn.blow())") == [
        "horn",
        "toot",
    ]


def test_whoever_asks_the_package_for_a_name_gets_all_of_it(said):
    lines = """
    without_init("loud")
    import loud
    print("asks")
    print(loud.volume)
    print(loud.blow(), sys.modules["loud"].volume)
    """
    assert said(lines) == ["asks", "whole", "horn", "11", "toot", "11"]


def test_a_name_that_may_come_later_is_imported_when_it_is_used(said):
    lines = """
    without_init("loud", "blow")
    import loud.mute
    print("uses")
    print(loud.mute.quiet(), loud.mute.blow.key)
    """
    assert said(lines) == ["mute", "uses", "whole", "horn", "toottoot", "F"]


def test_a_module_that_was_imported_before_its_package_is_still_an_attribute_of_it(said):
    lines = """
    without_init("loud", "blow")
    import loud.mute
    import loud as early
    assert early.volume == 11
    import loud
    print(loud is not early, loud.mute is sys.modules["loud.mute"])
    """
    assert said(lines) == ["mute", "whole", "horn", "True", "True"]


def test_a_name_that_the_package_does_not_have_is_an_error_of_the_usual_kind(said):
    lines = """
    without_init("loud")
    import loud
    for ask in (lambda: loud.whisper, lambda: loud.__wrapped__):
        try:
            ask()
        except AttributeError as error:
            print(str(error).split("'")[-2] if "'" in str(error) else error)
    """
    assert said(lines) == ["whole", "horn", "whisper", "__wrapped__"]


def test_a_package_that_is_imported_already_stays_as_it_is():
    before = sys.modules["pytest"]
    without_init("pytest")
    assert sys.modules["pytest"] is before


def test_a_package_that_does_not_exist_is_said_to_be_missing():
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        without_init("no_such_package")


def test_the_trees_are_imported_without_statistics_that_they_never_call(said):
    lines = """
    from marketpulse.model import regressor
    trees = regressor()()
    print("scipy.stats._stats_py" in sys.modules)
    trees.fit([[n % 7, n] for n in range(60)], [n % 3 for n in range(60)])
    print("scipy.stats._stats_py" in sys.modules)
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import QuantileTransformer
    print(roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
    QuantileTransformer(n_quantiles=2, output_distribution="normal").fit([[1.0], [2.0]])
    from scipy import stats
    print(round(stats.norm.cdf(0), 3), "scipy.stats._stats_py" in sys.modules)
    """
    assert said(lines) == ["False", "False", "0.75", "0.5", "True"]


def test_an_exchange_is_imported_without_the_hundred_others(said):
    lines = """
    from marketpulse.sources.exchange import import_client
    import_client()
    import ccxt.kraken
    print("ccxt.binance" in sys.modules)
    import ccxt
    print(len(ccxt.exchanges) > 90, isinstance(ccxt.binance(), ccxt.Exchange))
    """
    assert said(lines) == ["False", "True", "True"]
