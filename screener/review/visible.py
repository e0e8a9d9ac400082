"""What of a screening a brand may see: what the seller published of the brand's goods, and nothing of other brands.

A screening is a match of a brand when the brand was recognised in it, or one of its references stands in the evidence.
What the answer says of other brands (evidence, names, who was recognised, how probable a fake of theirs is) stays away.
"""

from collections.abc import Mapping
from typing import Any

from brands.model import ApiKey
from screener.errors import ScreeningNotFound

Answer = Mapping[str, Any]


def is_recognised(answer: Answer, brand_id: str) -> bool:
    """Whether the screening is of the brand's goods as far as was found out."""
    recognised: str | None = answer["brand"]["id"]
    return recognised == brand_id


def own_evidence(answer: Answer, brand_id: str) -> tuple[tuple[int, Mapping[str, Any]], ...]:
    """The entries of the evidence that name the brand's references, with their numbers in the whole."""
    return tuple((n, entry) for n, entry in enumerate(answer["evidence"]) if entry["brand_id"] == brand_id)


def is_match(answer: Answer, brand_id: str) -> bool:
    """Whether the brand may see the screening at all."""
    return is_recognised(answer, brand_id) or bool(own_evidence(answer, brand_id))


def own_words(answer: Answer, brand_id: str) -> tuple[Mapping[str, Any], ...]:
    """The brand's names, and the vocabulary of copies where the brand was recognised."""
    recognised = is_recognised(answer, brand_id)
    return tuple(
        word
        for word in answer.get("words", ())
        if word["brand_id"] == brand_id or (recognised and word["kind"] == "replica")
    )


def visible_images(answer: Answer, brand_id: str) -> frozenset[int]:
    """Positions of the pictures that the brand may see: all where it was recognised, else those with its references."""
    if is_recognised(answer, brand_id):
        return frozenset(image["position"] for image in answer["images"])
    return frozenset(entry["image"] for _, entry in own_evidence(answer, brand_id))


def check_image(key: ApiKey, answer: Answer, position: int) -> None:
    """Refuses a picture that the key may not see as one that is not there. Raises ScreeningNotFound."""
    if key.scope == "brand" and position not in visible_images(answer, key.brand_id or ""):
        raise ScreeningNotFound("No such screening.")


def check_evidence(key: ApiKey, answer: Answer, number: int) -> None:
    """Refuses an entry of another brand as one that is not there. Raises ScreeningNotFound."""
    if key.scope == "brand" and answer["evidence"][number]["brand_id"] != key.brand_id:
        raise ScreeningNotFound("No such screening.")
