"""What an index refuses.

```
IndexRefused
├── VectorsRefused     vectors or ids that may not enter an index (not finite, not unit length, duplicate ids)
└── SnapshotRefused    a snapshot on disk that is missing, damaged, of another format or of another encoder
```
"""


class IndexRefused(Exception):
    """Base of all; `message` names what is wrong."""

    code = "index_refused"

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class VectorsRefused(IndexRefused):
    """Vectors or ids that may not enter an index."""

    code = "vectors_refused"


class SnapshotRefused(IndexRefused):
    """A snapshot that cannot be trusted; the previous one keeps serving."""

    code = "snapshot_refused"
