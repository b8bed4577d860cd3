"""What Twilio's error codes mean for a message that was refused with them."""

from typing import Final

from services.notify.domain.messages import Verdict

OPTED_OUT: Final = "21610"

# Limits and outages that pass; each was said instead of taking the message.
_RETRYABLE: Final = frozenset(
    {"14107", "20429", "20503", "21611", "30001", "30017", "30022", "30023", "30027", "30410", "63018"}
)


def verdict_of(code: str, *, http_status: int) -> Verdict:
    """A refusal that we do not know would be the same the next time."""
    if code == OPTED_OUT:
        return Verdict.OPT_OUT
    if http_status == 429 or code in _RETRYABLE:
        return Verdict.RETRYABLE
    return Verdict.PERMANENT
