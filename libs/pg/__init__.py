"""PostgreSQL: one pool per role, one transaction per operation, plain SQL migrations."""

from libs.pg.lease import Lease, LeaseLost
from libs.pg.migrations import MigrationError, migrate
from libs.pg.pools import RoleRefused, open_pool
from libs.pg.transactions import (
    Connection,
    DatabaseUnavailable,
    LostRace,
    Pool,
    autocommit,
    transaction,
)
from libs.pg.wakeup import Wakeup

__all__ = [
    "Connection",
    "DatabaseUnavailable",
    "Lease",
    "LeaseLost",
    "LostRace",
    "MigrationError",
    "Pool",
    "RoleRefused",
    "Wakeup",
    "autocommit",
    "migrate",
    "open_pool",
    "transaction",
]
