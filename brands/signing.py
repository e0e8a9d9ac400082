"""The server's signature: an Ed25519 key in a file of its own, and names for what was erased that only it can check."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from brands.columns import canonical_json
from brands.secret import SECRET_BYTES, load_or_create_secret


class Signer:
    """Signs with the private key made of `seed`, 32 bytes. Whoever has `public_key` (base64) can check what it signed.

    What is signed is the canonical JSON of an object with its `type`, so that no signature fits anything of another
    type.
    """

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._subjects = hashlib.sha256(b"subjects of receipts" + seed).digest()
        self.public_key = base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, kind: str, fields: Mapping[str, Any]) -> str:
        """The signature of an object, base64."""
        return base64.b64encode(self._key.sign(_message(kind, fields))).decode()

    def subject(self, kind: str, object_id: str) -> str:
        """A name for what was erased: HMAC-SHA256, hex. It tells nothing; who knows the id can compare."""
        return hmac.new(self._subjects, f"{kind}:{object_id}".encode(), hashlib.sha256).hexdigest()


def load_signer(path: Path) -> Signer:
    """The signer of the key in the file `path`; a missing file is made, durably, with mode 0600.

    Raises ValueError for a file that is too short, OSError if it can be neither read nor made.
    """
    return Signer(load_or_create_secret(path)[:SECRET_BYTES])


def is_signed(public_key: str, kind: str, fields: Mapping[str, Any], signature: str) -> bool:
    """Whether `signature` is that of `public_key` on this object; False for what is no key or no signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), _message(kind, fields))
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(kind: str, fields: Mapping[str, Any]) -> bytes:
    return canonical_json({"type": kind, **fields}).encode()
