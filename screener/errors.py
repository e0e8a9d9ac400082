"""The tree of errors of the screening side, and what each means over HTTP.

```
ScreenerError
├── InputRefused (4xx)        what a caller sent cannot be accepted
│   ├── BodyRefused           not strict JSON, wrong type, too large, too deep
│   ├── ListingRefused        well-formed, but not a listing
│   ├── ImageUnusable         one picture that cannot be shown to a buyer either
│   └── IdempotencyMismatch   the same key with another body
├── ScreeningNotFound (404)
├── ReviewRefused (409)       a case of the review queue that is not in the state for it
├── Overloaded (503)          more work queued than can be done in time; the only 5xx the service answers on purpose
├── BundleRefused             an encoder bundle that is damaged, foreign or of another format
├── JudgeRefused              a judge that is damaged, of another format or of other features
├── PolicyRefused             a policy that makes no sense
├── ClassifierRefused         a classifier of buyers' texts that is damaged or of other words
├── ReportRefused             an evaluation report that is none, or is of other models
└── ReleaseRefused            encoder, snapshot and judge that do not belong together
```

The two lower packages have trees of their own, because arrows never turn round: `brands.errors.RegistryError` and
`index.errors.IndexRefused`. `screener.edge` maps all three to the one error shape.
"""


class ScreenerError(Exception):
    """Base of all; `message` is for people and never repeats what the caller sent."""

    code = "internal_error"
    status = 500

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None, field: str | None = None):
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class InputRefused(ScreenerError):
    """What a caller sent cannot be accepted."""

    code = "invalid_request"
    status = 422


class BodyRefused(InputRefused):
    """The bytes of the request are not what the content type promises, or are too many."""

    code = "invalid_body"
    status = 400


class ListingRefused(InputRefused):
    """Well-formed JSON that is not a listing."""

    code = "invalid_listing"


class ImageUnusable(InputRefused):
    """A picture that cannot be decoded or breaks a limit; `code` says which (see `screener.gate`)."""

    code = "image_undecodable"


class IdempotencyMismatch(InputRefused):
    """The idempotency key was used before with another body."""

    code = "idempotency_mismatch"


class ScreeningNotFound(ScreenerError):
    """No screening has this id, or the key may not see it."""

    code = "not_found"
    status = 404


class ReviewRefused(ScreenerError):
    """What was asked does not fit the present state of the case; `code` says why."""

    code = "review_refused"
    status = 409


class Overloaded(ScreenerError):
    """More requests are waiting than can be answered in time."""

    code = "overloaded"
    status = 503


class BundleRefused(ScreenerError):
    """The bundle's manifest, files or golden outputs do not fit."""

    code = "bundle_refused"


class JudgeRefused(ScreenerError):
    """The judge's manifest, files or features do not fit."""

    code = "judge_refused"


class PolicyRefused(ScreenerError):
    """The policy's file is not one, or contradicts itself."""

    code = "policy_refused"


class ClassifierRefused(ScreenerError):
    """The files of the classifier of buyers' texts do not fit each other, or the words it is served with."""

    code = "classifier_refused"


class ReportRefused(ScreenerError):
    """The evaluation report is none, is of other models, or says that a gate was not passed."""

    code = "report_refused"
    status = 422


class ReleaseRefused(ScreenerError):
    """Encoder, snapshot and judge do not belong together."""

    code = "release_refused"
