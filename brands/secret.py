"""The server secret that API keys are hashed with: a file made once, readable by its owner only."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from brands.durable import make_folder, sync_folder, write_new

SECRET_BYTES = 32


def load_or_create_secret(path: Path) -> bytes:
    """The secret in the file `path`, at least 32 bytes; a missing file is made with random bytes and mode 0600.

    Processes that start at once get the same secret. When it returns, the file survives a power loss. Raises ValueError
    for a file that is too short, OSError if it can be neither read nor made.
    """
    path = path.absolute()
    if not path.exists():
        make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        write_new(temporary, os.urandom(SECRET_BYTES), mode=0o600)
        try:
            # A link, not a rename: it fails instead of replacing the secret of a process that was faster.
            path.hardlink_to(temporary)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        sync_folder(path.parent)
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"the server secret must have at least {SECRET_BYTES} bytes")
    return secret
