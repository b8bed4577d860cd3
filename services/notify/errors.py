"""What notify refuses, and why.

ServiceError
  MessageNotFound, AlertNotFound, AlertPolicyNotFound, SuppressionNotFound, WebhookNotFound, DeliveryNotFound
  RecipientSuppressed           wrong state
  WebhookUrlRefused, EventTypeUnknown   bad input
  WebhookDisabled, DeliveryNotRetryable  wrong state
  MessageProviderUnavailable    unavailable; also what the circuit breaker counts
"""

from libs.errors import FieldViolation, Kind, ServiceError


class MessageNotFound(ServiceError):
    """There is no message with this id."""

    kind = Kind.MISSING
    reason = "MESSAGE_NOT_FOUND"


class RecipientSuppressed(ServiceError):
    """The recipient does not want messages."""

    kind = Kind.WRONG_STATE
    reason = "RECIPIENT_SUPPRESSED"


class AlertNotFound(ServiceError):
    """There is no alert with this id."""

    kind = Kind.MISSING
    reason = "ALERT_NOT_FOUND"


class AlertPolicyNotFound(ServiceError):
    """There is no alert policy with this id."""

    kind = Kind.MISSING
    reason = "ALERT_POLICY_NOT_FOUND"


class SuppressionNotFound(ServiceError):
    """There is no suppression with this id."""

    kind = Kind.MISSING
    reason = "SUPPRESSION_NOT_FOUND"


class WebhookNotFound(ServiceError):
    """There is no webhook with this id."""

    kind = Kind.MISSING
    reason = "WEBHOOK_NOT_FOUND"


class WebhookUrlRefused(ServiceError):
    """The URL may not be called."""

    kind = Kind.BAD_INPUT
    reason = "WEBHOOK_URL_REFUSED"

    def __init__(self, why: str) -> None:
        """`why` completes "the URL ..."; the URL itself stays out of the error."""
        super().__init__(f"The URL {why}.", violations=[FieldViolation("url", why)])


class EventTypeUnknown(ServiceError):
    """There is no event type of this name."""

    kind = Kind.BAD_INPUT
    reason = "EVENT_TYPE_UNKNOWN"


class WebhookDisabled(ServiceError):
    """The webhook is switched off; switch it on first."""

    kind = Kind.WRONG_STATE
    reason = "WEBHOOK_DISABLED"


class DeliveryNotFound(ServiceError):
    """There is no delivery with this id."""

    kind = Kind.MISSING
    reason = "DELIVERY_NOT_FOUND"


class DeliveryNotRetryable(ServiceError):
    """The delivery has not failed, or is on its way already."""

    kind = Kind.WRONG_STATE
    reason = "DELIVERY_NOT_RETRYABLE"


class MessageProviderUnavailable(ServiceError):
    """The message provider does not answer, or with a server error."""

    kind = Kind.UNAVAILABLE
    reason = "MESSAGE_PROVIDER_UNAVAILABLE"
