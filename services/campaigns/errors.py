"""What can go wrong here, as a caller may see it.

    ServiceError
      AssistantNotFound  AssistantInactive  AssistantInUse  AssistantAlreadyExists  AssistantIsTemplate
      CampaignNotFound   CampaignWrongStatus  CampaignEmpty
      ContactsFileInvalid  ContactsFileTooLarge

What `calls` answers about the provider passes through as libs.rpc.PeerError.
"""

from libs.errors import Kind, ServiceError


class AssistantNotFound(ServiceError):
    """There is no such assistant."""

    kind = Kind.MISSING
    reason = "ASSISTANT_NOT_FOUND"


class AssistantInactive(ServiceError):
    """The assistant is switched off."""

    kind = Kind.WRONG_STATE
    reason = "ASSISTANT_INACTIVE"


class AssistantInUse(ServiceError):
    """Campaigns use the assistant."""

    kind = Kind.WRONG_STATE
    reason = "ASSISTANT_IN_USE"


class AssistantAlreadyExists(ServiceError):
    """Another assistant of the directory stands for this assistant of the provider."""

    kind = Kind.DUPLICATE
    reason = "ASSISTANT_ALREADY_EXISTS"


class AssistantIsTemplate(ServiceError):
    """Templates are read-only; clone one instead."""

    kind = Kind.WRONG_STATE
    reason = "ASSISTANT_IS_TEMPLATE"


class CampaignNotFound(ServiceError):
    """There is no such campaign."""

    kind = Kind.MISSING
    reason = "CAMPAIGN_NOT_FOUND"


class CampaignWrongStatus(ServiceError):
    """The campaign's status does not allow this."""

    kind = Kind.WRONG_STATE
    reason = "CAMPAIGN_WRONG_STATUS"


class CampaignEmpty(ServiceError):
    """The campaign has no contact to call."""

    kind = Kind.WRONG_STATE
    reason = "CAMPAIGN_EMPTY"


class ContactsFileInvalid(ServiceError):
    """The file cannot be read as a contacts CSV."""

    kind = Kind.BAD_INPUT
    reason = "CONTACTS_FILE_INVALID"


class ContactsFileTooLarge(ServiceError):
    """The file is larger than a campaign takes; nothing of it was kept."""

    kind = Kind.EXHAUSTED
    reason = "CONTACTS_FILE_TOO_LARGE"
