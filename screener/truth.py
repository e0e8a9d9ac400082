"""Database, pictures, registry and keys: everything that is kept, opened in the right order and closed again."""

from types import TracebackType

from brands.blobs import FolderBlobs
from brands.database import Database
from brands.durable import make_folder
from brands.ids import utc_now
from brands.keys import Keys
from brands.registry import Registry
from brands.secret import load_or_create_secret
from brands.sessions import Sessions
from brands.signing import load_signer
from screener.ledger.ledger import Ledger
from screener.ledger.policy import load_seller_policy
from screener.releases.registry import ModelRegistry
from screener.releases.store import ModelStore
from screener.retention.due import Periods, Retention
from screener.retention.erase import Eraser
from screener.settings import Settings
from screener.webhooks.endpoints import Endpoints


class Truth:
    """Database, pictures, registry and keys: what the command line needs when it does not look at pictures."""

    def __init__(self, settings: Settings):
        """Opens the database and brings its tables up to date."""
        self.settings = settings
        make_folder(settings.data_dir)
        self.database = Database(settings.resolved_database_url)
        self.database.migrate()
        self.blobs = FolderBlobs(settings.data_dir / "blobs")
        self.registry = Registry(self.database, self.blobs, utc_now)
        secret = load_or_create_secret(settings.data_dir / "secret")
        self.keys = Keys(self.database, secret, utc_now)
        self.sessions = Sessions(self.database, secret, self.keys, utc_now)
        self.signer = load_signer(settings.data_dir / "signing-key")
        periods = Periods(flagged=settings.retention_days, clear=settings.retention_clear_days)
        self.retention = Retention(self.database, self.blobs, self.signer, settings.data_dir, periods)
        self.models = ModelRegistry(self.database, ModelStore(settings), settings, utc_now)
        self.webhooks = Endpoints(self.database, secret, utc_now, private=settings.webhook_private)
        self.ledger = Ledger(self.database, load_seller_policy(settings.seller_policy_path), utc_now)
        self.eraser = Eraser(self.database, self.blobs, self.signer, settings.data_dir, utc_now)

    def close(self) -> None:
        """Closes the database."""
        self.database.close()

    def __enter__(self) -> "Truth":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
