"""Settings of the service, from the environment (prefix `SCREENER_`); `docs/settings.md` is generated from here."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from screener.errors import BundleRefused
from screener.gate import Limits
from screener.rates import rate

Rate = Annotated[str, AfterValidator(lambda text: str(rate(text)) and text)]
"""How often something may happen, as `limits` reads it."""

EMBEDDED_BUNDLES = Path(__file__).parent / "models"
EMBEDDED_JUDGE = Path(__file__).parent / "judges" / "default"
EMBEDDED_POLICY = Path(__file__).parent / "policies" / "default.toml"
EMBEDDED_SELLER_POLICY = Path(__file__).parent / "policies" / "sellers.toml"


class Settings(BaseSettings):
    """Every knob with its default; an unknown value or a value out of range stops the start."""

    model_config = SettingsConfigDict(env_prefix="SCREENER_", extra="forbid", frozen=True)

    data_dir: Path = Field(Path("var"), description="Folder of everything that is stored: database, pictures, index.")
    database_url: str = Field(
        "",
        description="`sqlite:///path` or `postgresql+psycopg://user@host/name`; empty: a file in `data_dir`.",
    )
    bundle: str = Field(
        "", description="Folder of the encoder bundle to serve; empty: the one embedded in the distribution."
    )
    judge: str = Field("", description="Folder of the judge to serve; empty: the one embedded in the distribution.")
    policy: str = Field("", description="File of the policy to serve; empty: the one embedded in the distribution.")
    release: Literal["promoted", "settings"] = Field(
        "promoted",
        description="What is served once a release was promoted: that release, or, for an emergency, what the settings"
        " `bundle`, `judge` and `policy` name.",
    )
    release_approvals: int = Field(
        2, ge=1, le=2, description="People that a promotion needs: one who proposes and another who approves, or one."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line to log.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object per line, or text for people.")

    decode_workers: int = Field(2, ge=1, le=64, description="Processes that decode pictures; one per core is right.")
    encode_workers: int = Field(2, ge=1, le=64, description="Threads that run the encoder; one per core is right.")
    max_waiting: int = Field(
        64, ge=1, le=10_000, description="Screenings at work or waiting; one more is answered 503 `overloaded`."
    )
    deadline_ms: int = Field(1500, ge=50, le=60_000, description="Time for a screening whose caller names none.")
    reading_ms: int = Field(
        400,
        ge=0,
        le=60_000,
        description="Time for reading the words in the pictures of a listing whose brand is open; 0: never. Needs the"
        " extra `ocr`.",
    )
    refresh_seconds: float = Field(
        5.0, gt=0, le=60, description="How often the registry is asked for references that changed."
    )
    ready_max_age_seconds: float = Field(
        60.0, gt=0, description="`/readyz` fails when the index has not agreed with the registry for this long."
    )
    keep_images: Literal["flagged", "all", "none"] = Field(
        "flagged",
        description="Which screened pictures are stored: of listings not answered `clear`, of all, or of none.",
    )

    rate_machine: Rate = Field(
        "6000/minute", description="Requests that one key of a machine may send, such as `100/second` or `6000/minute`."
    )
    rate_person: Rate = Field(
        "3000/minute",
        description="Changes through the pages that one signed-in key may send; each uploaded picture is one or two.",
    )
    rate_sign_in: Rate = Field("10/minute", description="Attempts to sign in that one address may make.")
    secure_cookies: bool = Field(
        False, description="Send the session's cookie over HTTPS only; set it wherever the pages are behind TLS."
    )

    seller_policy: str = Field(
        "",
        description="File of the policy of sellers' points and actions; empty: the one embedded in the distribution.",
    )
    webhook_private: bool = Field(
        False,
        description="Let webhooks go to addresses that are not public, over plain HTTP too; for receivers on the same"
        " machine or network.",
    )
    webhook_keep_days: int = Field(
        30, ge=4, le=3650, description="Days that webhook messages are kept for sending them again, delivered or not."
    )

    audit_checkpoint_every: int = Field(
        1000, ge=1, le=1_000_000, description="Rows of the audit log between two signed checkpoints."
    )
    retention_days: int = Field(
        1185,
        ge=1,
        le=36_500,
        description="Days that a flagged listing's screening and pictures are kept after the last event: the screening,"
        " a seller's response, a decision. A legal hold keeps them longer.",
    )
    retention_clear_days: int = Field(
        400, ge=1, le=36_500, description="The same for listings answered `clear` that no person was asked about."
    )

    drift_days: int = Field(
        7, ge=1, le=366, description="Days of screenings that are compared with what the judge was made for."
    )
    drift_minutes: int = Field(
        60, ge=1, le=10_080, description="Least time between two looks for drift; one takes about a second of a core."
    )

    body_bytes: int = Field(20 * 1024 * 1024, ge=1024, description="Largest request body, in bytes.")
    header_bytes: int = Field(64 * 1024, ge=1024, description="Largest sum of header names and values, in bytes.")
    url_bytes: int = Field(2048, ge=128, description="Longest request target, in bytes.")
    json_depth: int = Field(20, ge=3, le=200, description="Deepest nesting of a JSON body.")
    images: int = Field(12, ge=1, le=100, description="Most pictures of one listing.")
    image_bytes: int = Field(10 * 1024 * 1024, ge=1024, description="Largest picture, in bytes.")
    image_pixels: int = Field(40_000_000, ge=1024, description="Most pixels of a picture.")
    image_min_side: int = Field(32, ge=1, description="Shortest side of a picture, in pixels.")
    image_max_side: int = Field(16_384, ge=32, description="Longest side of a picture, in pixels.")
    image_max_aspect: float = Field(20.0, ge=1, description="Most that one side may be longer than the other.")
    image_max_scans: int = Field(64, ge=1, description="Most scans of a progressive JPEG.")

    @property
    def database_path(self) -> Path:
        """The database file of an empty `database_url`."""
        return self.data_dir.absolute() / "registry.sqlite3"

    @property
    def resolved_database_url(self) -> str:
        """The database that is really used."""
        return self.database_url or f"sqlite:///{self.database_path}"

    @property
    def bundle_path(self) -> Path:
        """The bundle that is really used."""
        return Path(self.bundle) if self.bundle else embedded_bundle()

    @property
    def judge_path(self) -> Path:
        """The judge that is really used."""
        return Path(self.judge) if self.judge else EMBEDDED_JUDGE

    @property
    def policy_path(self) -> Path:
        """The policy that is really used."""
        return Path(self.policy) if self.policy else EMBEDDED_POLICY

    @property
    def seller_policy_path(self) -> Path:
        """The policy of sellers' points that is really used."""
        return Path(self.seller_policy) if self.seller_policy else EMBEDDED_SELLER_POLICY

    @property
    def image_limits(self) -> Limits:
        """The limits that the image gate applies."""
        return Limits(
            max_bytes=self.image_bytes,
            max_pixels=self.image_pixels,
            min_side=self.image_min_side,
            max_side=self.image_max_side,
            max_aspect=self.image_max_aspect,
            max_scans=self.image_max_scans,
        )


def embedded_bundle() -> Path:
    """The bundle that comes with the distribution: the one folder under `screener/models`. Raises BundleRefused."""
    folders = [path.parent for path in EMBEDDED_BUNDLES.glob("*/manifest.json")]
    if len(folders) != 1:
        raise BundleRefused(f"{EMBEDDED_BUNDLES} holds {len(folders)} bundles, not one; name one in SCREENER_BUNDLE.")
    return folders[0]


def problems(error: ValidationError) -> list[str]:
    """A line for each setting that makes no sense, by the name of its variable and without its value."""
    return [
        f"SCREENER_{'_'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
        for problem in error.errors(include_input=False)
    ]
