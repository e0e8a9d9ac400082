"""A part of a page as a file of its own, for who gets it by mail: the style is inside, nothing is loaded."""

from typing import Any

from markupsafe import Markup

from screener.pages.rendering import STATIC, environment
from screener.pages.texts import Texts

_FRAME = Markup(
    '<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "<title>{title}</title>\n<style>{style}</style>\n</head>\n"
    "<body>\n<main>\n<h1>{title}</h1>\n{part}</main>\n</body>\n</html>\n"
)


def standalone(title: str, template: str, *, language: str = "en", **context: Any) -> str:
    """The HTML of a template that is a part of a page, in a frame of its own."""
    part = environment().get_template(template).render(t=Texts(language), links=False, **context)
    style = (STATIC / "app.css").read_text(encoding="utf-8")
    # Both are made here: the style is a file of ours, and the template has escaped every value.
    return _FRAME.format(language=language, title=title, style=Markup(style), part=Markup(part))  # noqa: S704  # see above
