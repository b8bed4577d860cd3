"""Why Vapi said no to a call, and whose fault that is. It has no error codes, so its texts are matched."""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.calls.domain.placement import Refused

# Statuses after which a call was certainly not made.
DEFINITE: Final = frozenset({400, 401, 402, 403, 404, 422, 429})

_BY_STATUS: Final = {
    401: "PROVIDER_UNAUTHORIZED",
    402: "PROVIDER_PAYMENT_REQUIRED",
    403: "PROVIDER_FORBIDDEN",
    429: "RATE_LIMITED",
}

# First match wins. The flag: the cause lies with us or the provider, not with the contact.
_BY_TEXT: Final = (
    (re.compile(r"concurren"), "OVER_CONCURRENCY", True),
    (re.compile(r"\bcustomer\.number\b|e\.164|customer.{0,30}phone number"), "INVALID_NUMBER", False),
    (re.compile(r"\bcustomer\b"), "INVALID_CUSTOMER", False),
    (re.compile(r"daily|outbound call limit"), "NUMBER_DAILY_LIMIT", True),
    (re.compile(r"credit|payment|billing|wallet|balance|frozen"), "PROVIDER_PAYMENT_REQUIRED", True),
    (
        re.compile(r"assistant.{0,80}(not found|exist|invalid)|(not found|find|no).{0,20}assistant"),
        "ASSISTANT_NOT_FOUND",
        True,
    ),
    (re.compile(r"phone.?number"), "PHONE_NUMBER_REFUSED", True),
    (re.compile(r"rate.?limit|too many"), "RATE_LIMITED", True),
)


def refusal(status: int, document: Any, *, retry_after_seconds: int) -> Refused:
    """A refusal that we do not recognize is taken for ours: a broken set-up must not use up the contacts'
    attempts."""
    reason, infrastructure = _classified(status, document)
    return Refused(reason=reason, infrastructure=infrastructure, retry_after_seconds=retry_after_seconds)


def messages(document: Any) -> list[str]:
    """The texts of an error answer, `message` being one or several."""
    found = document.get("message") if isinstance(document, Mapping) else None
    texts = found if isinstance(found, list) else [found]
    return [text[:300] for text in texts if isinstance(text, str)][:20]


def _classified(status: int, document: Any) -> tuple[str, bool]:
    if status in _BY_STATUS:
        return _BY_STATUS[status], True
    limits = document.get("subscriptionLimits") if isinstance(document, Mapping) else None
    if isinstance(limits, Mapping) and limits.get("concurrencyBlocked") is True:
        return "OVER_CONCURRENCY", True
    text = " ".join(messages(document)).lower()
    for pattern, reason, infrastructure in _BY_TEXT:
        if pattern.search(text):
            return reason, infrastructure
    return "PROVIDER_REFUSED", True
