"""Real requests and answers for the API documentation; tests hold them against the models and a running service.

`ANSWER` is what the demo's registry (`make demo`) answered to `LISTING` with the sample picture
`01-authorised-sneaker/1.jpg`, sent by a seller who is not authorised. The picture was known from an earlier listing, so
it was neither decoded nor encoded again; of the evidence only the first is kept.
"""

from typing import Any

LISTING: dict[str, Any] = {
    "listing_id": "A-17",
    "revision": 1,
    "title": "Norvokka trail sneaker 1:1 top quality, size 42",
    "description": "Brand new, ships from overseas.",
    "brand": "Norvokka",
    "category": "shoes",
    "price": {"amount": 29.9, "currency": "EUR"},
    "seller": {"id": "shop-291"},
    "language": "de",
    "deadline_ms": 1500,
}

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKUlEQVR42mP8z0B7wMRAQzBq+qjpo6aPmj5q+qjpo6aPmj5q+qjp"
    "o6YPIAAAzvECPx9tBZMAAAAASUVORK5CYII="
)

SCREENING: dict[str, Any] = LISTING | {"images": [{"data": PIXEL}]}

ANSWER: dict[str, Any] = {
    "id": "scr_01a2046cfcf470c8b7d5d383d8ec309e",
    "listing_id": "A-17",
    "revision": 1,
    "created_at": "2026-11-22T18:03:01.236Z",
    "verdict": "review",
    "probability": 0.9418,
    "calibrated": False,
    "brand": {
        "status": "recognised",
        "id": "brd_01a204474bf3794b98e4fbfe30d8b976",
        "name": "Norvokka",
        "recognised_by": ["words", "pictures"],
    },
    "reasons": [
        {"code": "replica_words", "contribution": 3.0, "message": "The words of the listing describe a replica."},
        {
            "code": "price_far_below_reference",
            "contribution": 1.784,
            "message": "The price is far below the brand's reference price.",
        },
        {
            "code": "brand_unauthorised_seller",
            "contribution": 0.6,
            "message": "The listing shows a registered brand, and the seller is not among its authorised sellers.",
        },
        {
            "code": "official_photo",
            "contribution": 0.4,
            "message": "A picture is a copy of one of the brand's own pictures.",
        },
    ],
    "evidence": [
        {
            "image": 0,
            "frame": 0,
            "box": [0.0, 0.0, 1.0, 1.0],
            "reference_id": "ref_01a204474bf771b684f5ca58a8791608",
            "brand_id": "brd_01a204474bf3794b98e4fbfe30d8b976",
            "kind": "authentic",
            "use": "product",
            "score": 0.9983,
        }
    ],
    "prompt": {
        "language": "de",
        "title": "Dieser Artikel könnte eine Fälschung sein",
        "body": "Bitte prüfen Sie Ihr Angebot, bevor es veröffentlicht wird: Es könnte sich um eine "
        "Fälschung handeln (Marke: Norvokka). Die Art der Beschreibung ist typisch für Waren, "
        "die nicht echt sind. Zusätzlich sieht sich jemand aus unserem Team das Angebot an. Wenn "
        "Ihr Artikel echt ist, hilft Folgendes, rasch zu entscheiden.",
        "actions": [
            "Fügen Sie einen Kaufbeleg hinzu, zum Beispiel eine Quittung oder Rechnung.",
            "Verwenden Sie eigene Fotos genau des Artikels, den Sie anbieten, mit Etiketten und Details.",
            "Prüfen Sie Marke und Beschreibung und berichtigen Sie sie, falls nötig.",
            "Ziehen Sie das Angebot zurück, wenn Sie nicht sicher sind, dass der Artikel echt ist.",
        ],
    },
    "images": [
        {
            "position": 0,
            "status": "screened",
            "code": None,
            "sha256": "e7581d834162500ea7b519f1097a02eaed2371b06d1efdc1ec41ba71f1881e8f",
        }
    ],
    "checks": [
        {"name": "words", "status": "ran", "reason": None},
        {"name": "pictures", "status": "ran", "reason": None},
        {"name": "seller", "status": "ran", "reason": None},
        {"name": "price", "status": "ran", "reason": None},
    ],
    "rescreen": False,
    "release": "rel_64ef19afdf9c4261",
    "timings_ms": {"decode": 0.0, "encode": 0.0, "pictures": 1.92, "search": 2.44, "judge": 1.78, "total": 13.64},
}
