"""How the two providers sign the webhooks they send."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from deploy.sandbox.moments import milliseconds
from deploy.sandbox.settings import Signature


def vapi_headers(kind: Signature, *, secret: str, body: bytes, at: datetime) -> dict[str, str]:
    """The authentication headers of one delivery; none without a secret."""
    if not secret:
        return {}
    if kind == "SHARED_SECRET":
        return {"X-Vapi-Secret": secret}
    if kind == "HMAC_BODY":
        return {"X-Vapi-Signature": _hex_hmac(secret, body)}
    timestamp = str(milliseconds(at))
    return {"X-Signature": _hex_hmac(secret, timestamp.encode() + b"." + body), "X-Timestamp": timestamp}


def twilio_signature(auth_token: str, *, url: str, form: Mapping[str, str]) -> str:
    """Twilio's scheme: base64 HMAC-SHA1 over the URL followed by every form field, sorted by name."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _hex_hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
