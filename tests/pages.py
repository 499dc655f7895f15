"""A page as Streamlit's own tests draw it: rerun, and its buttons."""


def again(app):
    """Rerun the page; it must come through without an exception."""
    app.run()
    assert [each.message for each in app.exception] == []
    assert [each.value for each in app.error] == []
    return app


def button(app, label):
    """The button that says just this."""
    found = [each for each in app.button if each.label == label]
    assert found, [each.label for each in app.button]
    return found[0]


def press(app, label):
    button(app, label).click()
    return again(app)
