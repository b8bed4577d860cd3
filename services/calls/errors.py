"""What `calls` can refuse.

ServiceError
  CallNotFound  CallAlreadyEnded  CallIdReused
  LeadNotFound  LeadStatusConflict  LeadAlreadyOpen
  RuleNotFound  RuleNameTaken  RulePackNotFound  TooManyRules
  ProviderEventNotFound
  ProviderAccountNotFound  ProviderAccountNameTaken  ProviderAssistantNotFound
  ProviderAccountIncomplete  ProviderCredentialsRefused  CredentialsUnsupported
  InboundRouteNotFound  InboundRouteNameTaken  TooManyInboundRoutes  CallRouteNotFound
  ProviderUnavailable  ProviderAnswerLost  ProviderRefused  NoLineFree
"""

from libs.errors import Kind, ServiceError


class CallNotFound(ServiceError):
    """There is no such call."""

    kind = Kind.MISSING
    reason = "CALL_NOT_FOUND"


class CallAlreadyEnded(ServiceError):
    """The call has ended."""

    kind = Kind.WRONG_STATE
    reason = "CALL_ALREADY_ENDED"


class CallIdReused(ServiceError):
    """The call id already names a call with other particulars."""

    kind = Kind.DUPLICATE
    reason = "CALL_ID_REUSED"


class LeadNotFound(ServiceError):
    """There is no such lead."""

    kind = Kind.MISSING
    reason = "LEAD_NOT_FOUND"


class LeadStatusConflict(ServiceError):
    """A lead that was won or lost does not change any more."""

    kind = Kind.WRONG_STATE
    reason = "LEAD_STATUS_CONFLICT"


class LeadAlreadyOpen(ServiceError):
    """The customer has an open lead of this kind of service."""

    kind = Kind.DUPLICATE
    reason = "LEAD_ALREADY_OPEN"


class RuleNotFound(ServiceError):
    """There is no such rule."""

    kind = Kind.MISSING
    reason = "RULE_NOT_FOUND"


class RuleNameTaken(ServiceError):
    """A rule of this name exists already."""

    kind = Kind.DUPLICATE
    reason = "NAME_TAKEN"


class RulePackNotFound(ServiceError):
    """There is no rule pack of this name."""

    kind = Kind.MISSING
    reason = "RULE_PACK_NOT_FOUND"


class TooManyRules(ServiceError):
    """The organization has as many rules of this kind as it may have."""

    kind = Kind.EXHAUSTED
    reason = "TOO_MANY_RULES"


class ProviderEventNotFound(ServiceError):
    """There is no such webhook in the ledger."""

    kind = Kind.MISSING
    reason = "PROVIDER_EVENT_NOT_FOUND"


class ProviderAccountNotFound(ServiceError):
    """The organization has no such account at the voice provider."""

    kind = Kind.MISSING
    reason = "PROVIDER_ACCOUNT_NOT_FOUND"


class ProviderAccountNameTaken(ServiceError):
    """An account of this name exists already."""

    kind = Kind.DUPLICATE
    reason = "NAME_TAKEN"


class ProviderAccountIncomplete(ServiceError):
    """The account has no API key of its own, and this deployment has none for it."""

    kind = Kind.WRONG_STATE
    reason = "PROVIDER_ACCOUNT_INCOMPLETE"


class ProviderCredentialsRefused(ServiceError):
    """The voice provider does not accept the API key."""

    kind = Kind.WRONG_STATE
    reason = "PROVIDER_CREDENTIALS_REFUSED"


class CredentialsUnsupported(ServiceError):
    """This deployment keeps no credentials of provider accounts: it has no key to encrypt them with."""

    kind = Kind.WRONG_STATE
    reason = "CREDENTIALS_UNSUPPORTED"


class InboundRouteNotFound(ServiceError):
    """There is no such inbound route."""

    kind = Kind.MISSING
    reason = "INBOUND_ROUTE_NOT_FOUND"


class InboundRouteNameTaken(ServiceError):
    """An inbound route of this name exists already."""

    kind = Kind.DUPLICATE
    reason = "NAME_TAKEN"


class TooManyInboundRoutes(ServiceError):
    """The organization has as many inbound routes as it can."""

    kind = Kind.WRONG_STATE
    reason = "TOO_MANY_INBOUND_ROUTES"


class CallRouteNotFound(ServiceError):
    """Nobody asked here who takes this call."""

    kind = Kind.MISSING
    reason = "CALL_ROUTE_NOT_FOUND"


class ProviderAssistantNotFound(ServiceError):
    """The voice provider knows no assistant with this id."""

    kind = Kind.MISSING
    reason = "PROVIDER_ASSISTANT_NOT_FOUND"


class ProviderUnavailable(ServiceError):
    """The voice provider cannot be reached at the moment."""

    kind = Kind.UNAVAILABLE
    reason = "PROVIDER_UNAVAILABLE"
    retry_after_seconds_default = 5.0


class ProviderAnswerLost(ServiceError):
    """The voice provider gave no clear answer; what was asked may have been done. Look before asking
    again."""

    # Not UNAVAILABLE, which callers repeat by themselves.
    kind = Kind.TIMEOUT
    reason = "PROVIDER_UNAVAILABLE"


class ProviderRefused(ServiceError):
    """The voice provider refused the request."""

    kind = Kind.BAD_INPUT
    reason = "PROVIDER_REFUSED"


class NoLineFree(ServiceError):
    """All lines of the provider account are taken."""

    kind = Kind.EXHAUSTED
    reason = "NO_LINE_FREE"
    retry_after_seconds_default = 5.0
