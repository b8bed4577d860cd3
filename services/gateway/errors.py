"""What the gateway refuses, as a tree:

ServiceError
  NotFound
    OrganizationNotFound, ApiKeyNotFound, SourceNotFound, RouteNotFound
  NameTaken
  KeyRefused, PrincipalMissing      who is asking is not known
  SignatureInvalid                  a webhook that does not prove where it comes from
    TwilioSignatureInvalid
  ScopeNotHeld, MethodNotPublic
  KeyLimitExceeded, BodyTooLarge, IntakeFull, NotStored
  ContentTypeUnsupported, ContentEncodingUnsupported, MethodNotAllowed, BodyUnreadable
"""

from libs.errors import InvalidArgument, Kind, NotFound, ServiceError


class OrganizationNotFound(NotFound):
    """There is no such organization."""

    reason = "ORGANIZATION_NOT_FOUND"


class ApiKeyNotFound(NotFound):
    """There is no such API key."""

    reason = "API_KEY_NOT_FOUND"


class SourceNotFound(NotFound):
    """There is no such webhook source."""

    reason = "SOURCE_NOT_FOUND"


class RouteNotFound(NotFound):
    """There is no such route; see /openapi.json for those that exist."""

    reason = "ROUTE_NOT_FOUND"


class NameTaken(ServiceError):
    """The name is taken."""

    kind = Kind.DUPLICATE
    reason = "NAME_TAKEN"


class KeyRefused(ServiceError):
    """No valid API key came with the request; send it as `Authorization: Bearer vx_...` or `X-Api-Key`."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class PrincipalMissing(ServiceError):
    """No valid credential came with the request."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class SignatureInvalid(ServiceError):
    """The webhook's signature is missing, wrong or too old."""

    kind = Kind.UNAUTHENTICATED
    reason = "SIGNATURE_INVALID"


class TwilioSignatureInvalid(SignatureInvalid):
    """The webhook's signature is missing or wrong."""

    # Twilio's own libraries answer 403; its debugger explains that code.
    kind = Kind.FORBIDDEN


class ScopeNotHeld(ServiceError):
    """A key with scopes that the caller does not hold cannot be made, changed or revoked."""

    kind = Kind.FORBIDDEN
    reason = "MISSING_SCOPE"


class MethodNotPublic(ServiceError):
    """The credential does not allow this."""

    kind = Kind.FORBIDDEN
    reason = "MISSING_SCOPE"


class KeyLimitExceeded(ServiceError):
    """The API key's hourly rate or its quota is used up."""

    kind = Kind.EXHAUSTED
    reason = "KEY_LIMIT_EXCEEDED"


class BodyTooLarge(ServiceError):
    """The body is larger than the route takes."""

    kind = Kind.EXHAUSTED
    reason = "BODY_TOO_LARGE"


class IntakeFull(ServiceError):
    """More webhooks are waiting than can be stored at the moment; send it again."""

    kind = Kind.UNAVAILABLE
    reason = "LIMIT_EXCEEDED"
    retry_after_seconds_default = 1.0


class NotStored(ServiceError):
    """The webhook could not be stored; send it again."""

    kind = Kind.UNAVAILABLE
    reason = "PEER_UNAVAILABLE"
    retry_after_seconds_default = 1.0


class UploadBrokenOff(ServiceError):
    """The upload broke off inside; send the file again. Numbers it has added already count as duplicates."""

    kind = Kind.UNAVAILABLE
    reason = "PEER_UNAVAILABLE"
    retry_after_seconds_default = 1.0


class ContentTypeUnsupported(ServiceError):
    """The route takes another content type."""

    kind = Kind.BAD_INPUT
    reason = "CONTENT_TYPE_UNSUPPORTED"


class ContentEncodingUnsupported(ServiceError):
    """Compressed bodies are not taken."""

    kind = Kind.BAD_INPUT
    reason = "CONTENT_TYPE_UNSUPPORTED"


class MethodNotAllowed(ServiceError):
    """The route exists, but not with this method."""

    kind = Kind.BAD_INPUT
    reason = "METHOD_NOT_ALLOWED"


class BodyUnreadable(InvalidArgument):
    """The body is not what its content type says."""
