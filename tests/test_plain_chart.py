import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest  # noqa: TID251  what it sends is what is tested

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("buttons", [True, False])
def test_no_chart_offers_to_send_itself_to_another_host(buttons):
    def page(buttons):
        import plotly.graph_objects as go

        from marketpulse.ui.plain_chart import plain_chart

        plain_chart(go.Figure(), key="chart", alt="Nothing.", buttons=buttons)

    app = AppTest.from_function(page, default_timeout=60, kwargs={"buttons": buttons}).run()
    sent = app.get("plotly_chart")[0].proto
    config = json.loads(sent.config)
    assert "sendChartToCloud" in config["modeBarButtonsToRemove"]
    assert config["showSendToCloud"] is False
    assert config.get("displayModeBar", True) is buttons
    assert sent.alt == "Nothing."


def test_no_page_draws_a_chart_in_another_way():
    drawing = [
        path.name
        for path in (ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.rglob("marketpulse/**/*.py"))
        if ".plotly_chart(" in path.read_text("utf-8")
    ]
    assert drawing == ["plain_chart.py"]
