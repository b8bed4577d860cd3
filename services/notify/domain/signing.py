"""Standard Webhooks: the secret's form, and the headers a receiver checks."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

SECRET_BYTES: Final = 32
_PREFIX: Final = "whsec_"


def secret_of(random_bytes: bytes) -> str:
    return _PREFIX + base64.b64encode(random_bytes).decode()


def signature_headers(*, event_id: str, at: datetime, body: str, secrets: Sequence[str]) -> dict[str, str]:
    """One signature per live secret, so that a receiver may change over whenever it likes."""
    at = at.astimezone(UTC)
    signatures = [Webhook(secret).sign(msg_id=event_id, timestamp=at, data=body) for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
