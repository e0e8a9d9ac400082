"""What Label Studio needs so that its exports can be read here: a labelling configuration, and tasks.

Source: Label Studio's tags, https://labelstud.io/tags. The names of the controls are those of the columns.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import Any, Final

from brands.model import APPRAISAL_METHODS, APPRAISALS
from screener.appraisals.picked import Picked

MANY: Final = 12
"""From so many brands on, a field to search in is shown above them."""
_OBJECT: Final = "item"


def configuration(brands: Sequence[tuple[str, str]]) -> str:
    """The labelling configuration (XML) for a project: `brands` are the ids and names to choose from.

    An answer carries the id of the brand, so that a renamed brand stays the same.
    """
    view = ET.Element("View")
    ET.SubElement(view, "Header", value="$title")
    ET.SubElement(view, "Text", name=_OBJECT, value="$about")
    _choices(view, "outcome", "What is it?", [(word, word) for word in APPRAISALS], required=True)
    if brands:
        if len(brands) >= MANY:
            ET.SubElement(view, "Filter", name="brand_filter", toName="brand", minlength="0", hotkey="shift+f")
        _choices(view, "brand", "Of which brand, or of which does it pretend to be?", brands)
    _choices(view, "method", "How was it found out?", [(word, word) for word in APPRAISAL_METHODS])
    _asked(view, "How sure are you, from 0 to 1?")
    ET.SubElement(view, "Number", name="confidence", toName=_OBJECT, min="0", max="1", step="0.05")
    _asked(view, "Day of the appraisal, where it is not today")
    ET.SubElement(view, "DateTime", name="appraised_on", toName=_OBJECT, only="date")
    for name, question, rows in (
        ("evidence_hash", "SHA-256 of the report", "1"),
        ("evidence_uri", "Where the report is kept", "1"),
        ("notes", "Notes", "4"),
    ):
        _asked(view, question)
        ET.SubElement(view, "TextArea", name=name, toName=_OBJECT, rows=rows, maxSubmissions="1", editable="true")
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


def tasks(items: Iterable[Picked], *, base_url: str = "") -> list[dict[str, Any]]:
    """A task for each item, to be imported into a project with `configuration`; who sells it is not told.

    With `base_url`, that of the service, each names the page where somebody who is signed in sees pictures and
    evidence.
    """
    found = []
    for item in items:
        lines = [
            f"Listing: {item.listing_id}, revision {item.revision}",
            f"Brand: {item.brand or 'not recognised'}",
            f"Category: {item.category or '-'}",
            f"Price: {item.price or '-'}",
        ]
        if base_url:
            lines.append(f"Case: {base_url.rstrip('/')}/app/reviews/{item.screening_id}")
        data = {
            "screening_id": item.screening_id,
            "listing_id": item.listing_id,
            "revision": item.revision,
            "title": item.title,
            "about": "\n".join(lines),
        }
        found.append({"data": data})
    return found


def _choices(
    view: ET.Element, name: str, question: str, choices: Sequence[tuple[str, str]], *, required: bool = False
) -> None:
    _asked(view, question)
    group = ET.SubElement(view, "Choices", name=name, toName=_OBJECT, choice="single-radio")
    if required:
        group.set("required", "true")
        group.set("requiredMessage", question)
    for alias, shown in choices:
        ET.SubElement(group, "Choice", value=shown, alias=alias)


def _asked(view: ET.Element, question: str) -> None:
    ET.SubElement(view, "Header", value=question, size="5")
