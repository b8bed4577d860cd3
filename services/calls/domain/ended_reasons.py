"""Why calls end, in the provider's words: some 600 of them, more with every release, so they are read by
their parts.

What counts is which of few kinds a reason is; it says whether the call took place and who answered.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

from services.calls.domain.call import Outcome, Status


class EndKind(StrEnum):
    CONVERSATION = "CONVERSATION"
    # Somebody or something was on the line and said nothing more.
    SILENCE = "SILENCE"
    VOICEMAIL = "VOICEMAIL"
    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    CANCELED = "CANCELED"
    # The number, the carrier, the provider, one of its suppliers or the configuration failed.
    FAULT = "FAULT"
    UNKNOWN = "UNKNOWN"


# The first pattern that is found in the reason decides. Camel case (seen in documentation) is read as dashes.
_KINDS: Final[Sequence[tuple[re.Pattern[str], EndKind]]] = [
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"^voicemail", EndKind.VOICEMAIL),
        (r"customer-busy|operator-busy|user-busy|486-busy", EndKind.BUSY),
        (r"did-not-answer|no-answer|sip-480-|sip-408-", EndKind.NO_ANSWER),
        (r"manually-cancell?ed|call-deleted|scheduled-call-deleted", EndKind.CANCELED),
        (r"^silence-timed-out", EndKind.SILENCE),
        (r"did-not-receive-customer-audio|did-not-give-microphone-permission", EndKind.FAULT),
        # Everything that names an error or a fault is one, whatever else it names.
        (r"error|fault|failed|^pipeline-|^worker-|join-timed-out", EndKind.FAULT),
        (r"^assistant-(not-|request-)|^customer-ended-call-before-connect", EndKind.FAULT),
        (
            r"sip-(outbound|inbound-call)-(unallocated|carrier)|misdialed|^vonage-(rejected|disconnected)",
            EndKind.FAULT,
        ),
        (r"closed-websocket|no-call-received", EndKind.FAULT),
        (
            r"^(customer|assistant)-(ended|forwarded|said)|^exceeded-max-duration|^hangup$|hook-executed",
            EndKind.CONVERSATION,
        ),
        (r"completed(-call)?$|caller-hungup", EndKind.CONVERSATION),
    )
]

_OUTCOMES: Final = {
    EndKind.CONVERSATION: Outcome.HUMAN,
    EndKind.VOICEMAIL: Outcome.VOICEMAIL,
    EndKind.NO_ANSWER: Outcome.NO_ANSWER,
    EndKind.BUSY: Outcome.BUSY,
    EndKind.FAULT: Outcome.FAILED,
}

# Kinds that say themselves who answered; in all others a person who was heard was there.
_CERTAIN: Final = frozenset({EndKind.VOICEMAIL, EndKind.NO_ANSWER, EndKind.BUSY})

# Faults of the provider, its suppliers or the carrier, whoever was called ...
_INFRASTRUCTURE: Final = re.compile(
    r"providerfault|vapifault|^pipeline-|^worker-|failed-to-connect|sip-5[0-9]{2}"
)
# ... but for those that the carrier tells of the number itself.
_OF_THE_NUMBER: Final = re.compile(r"sip-4(0[0-4]|10|84|88)|unallocated|misdialed")

_CAMEL_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@lru_cache(maxsize=2048)
def kind_of(ended_reason: str) -> EndKind:
    """UNKNOWN for an empty reason and for one that nothing here matches."""
    reason = _CAMEL_HUMP.sub("-", ended_reason).lower()
    return next((kind for pattern, kind in _KINDS if pattern.search(reason)), EndKind.UNKNOWN)


def status_of(kind: EndKind, *, spoke: bool) -> Status:
    """How a call that the provider calls ended stands in the record. One that broke after the other side had
    spoken did take place."""
    if kind is EndKind.CANCELED:
        return Status.CANCELED
    if kind is EndKind.FAULT and not spoke:
        return Status.FAILED
    return Status.ENDED


def outcome_of(kind: EndKind, *, spoke: bool, screened: bool = False) -> Outcome:
    """`spoke`: a person was heard; `screened`: the telephone's own screening was."""
    if spoke and kind not in _CERTAIN:
        return Outcome.HUMAN
    if screened and kind not in _CERTAIN:
        return Outcome.CALL_SCREENING
    return _OUTCOMES.get(kind, Outcome.UNKNOWN)


def failed_by_infrastructure(status: Status, ended_reason: str) -> bool:
    """Whether a call that came to nothing did so for a cause that lies with the provider or the carrier."""
    reason = _CAMEL_HUMP.sub("-", ended_reason).lower()
    return (
        status is Status.FAILED
        and _INFRASTRUCTURE.search(reason) is not None
        and _OF_THE_NUMBER.search(reason) is None
    )
