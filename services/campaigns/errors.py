"""What can go wrong here, as a caller may see it.

    ServiceError
      AssistantNotFound  AssistantInactive  AssistantInUse  AssistantAlreadyExists  AssistantIsTemplate
      AssistantVersionNotFound  AssistantConfigInvalid  AssistantDrifted  AssistantBeingChanged
      AssistantFieldsNotRemovable  AssistantGone
      CampaignNotFound   CampaignWrongStatus  CampaignEmpty  CampaignHasOpenCalls  CampaignCannotEnroll
      CampaignAssistantGone  ImportNotFound
      ContactsFileInvalid  ContactsFileTooLarge  FeatureOff  CampaignLimitExceeded  TooManyWatchers
      ConsentNotFound

What `calls` answers about the provider passes through as libs.rpc.PeerError.
"""

from libs.errors import Kind, ServiceError


class AssistantNotFound(ServiceError):
    """There is no such assistant."""

    kind = Kind.MISSING
    reason = "ASSISTANT_NOT_FOUND"


class AssistantInactive(ServiceError):
    """The assistant is switched off; switch it on, or name another one."""

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
    """The campaign has nobody to call; add contacts first."""

    kind = Kind.WRONG_STATE
    reason = "CAMPAIGN_EMPTY"


class CampaignHasOpenCalls(ServiceError):
    """Calls of the campaign are open; delete it when they are over."""

    kind = Kind.WRONG_STATE
    reason = "CAMPAIGN_HAS_OPEN_CALLS"


class CampaignCannotEnroll(ServiceError):
    """Only a CONTINUOUS campaign waits for more contacts; batches wait for one another."""

    kind = Kind.WRONG_STATE
    reason = "CAMPAIGN_CANNOT_ENROLL"


class CampaignAssistantGone(ServiceError):
    """The campaign's assistant is not in the directory any more; set another one, then resume."""

    kind = Kind.WRONG_STATE
    reason = "CAMPAIGN_ASSISTANT_GONE"


class ImportNotFound(ServiceError):
    """The campaign has no such import."""

    kind = Kind.MISSING
    reason = "IMPORT_NOT_FOUND"


class ContactsFileInvalid(ServiceError):
    """The file cannot be read as a contacts CSV."""

    kind = Kind.BAD_INPUT
    reason = "CONTACTS_FILE_INVALID"


class ContactsFileTooLarge(ServiceError):
    """The file is larger than a campaign takes; nothing of it was kept."""

    kind = Kind.EXHAUSTED
    reason = "CONTACTS_FILE_TOO_LARGE"


class AssistantVersionNotFound(ServiceError):
    """The assistant has no such version."""

    kind = Kind.MISSING
    reason = "ASSISTANT_VERSION_NOT_FOUND"


class AssistantConfigInvalid(ServiceError):
    """The configuration breaks rules of the provider."""

    kind = Kind.BAD_INPUT
    reason = "ASSISTANT_CONFIG_INVALID"


class AssistantDrifted(ServiceError):
    """Somebody changed the assistant at the provider."""

    kind = Kind.WRONG_STATE
    reason = "ASSISTANT_DRIFTED"


class AssistantBeingChanged(ServiceError):
    """Another change of the assistant is on its way to the provider; try again in a moment."""

    kind = Kind.LOST_RACE
    reason = "ASSISTANT_BEING_CHANGED"


class AssistantFieldsNotRemovable(ServiceError):
    """The provider keeps fields of the assistant once they are set."""

    kind = Kind.WRONG_STATE
    reason = "ASSISTANT_FIELDS_NOT_REMOVABLE"


class AssistantGone(ServiceError):
    """The provider does not have the assistant any more."""

    kind = Kind.WRONG_STATE
    reason = "ASSISTANT_GONE"


class ConsentNotFound(ServiceError):
    """There is no such consent."""

    kind = Kind.MISSING
    reason = "CONSENT_NOT_FOUND"


class FeatureOff(ServiceError):
    """The organization has switched this off."""

    kind = Kind.WRONG_STATE
    reason = "FEATURE_OFF"


class CampaignLimitExceeded(ServiceError):
    """More than the organization's own limit allows."""

    kind = Kind.WRONG_STATE
    reason = "CAMPAIGN_LIMIT_EXCEEDED"


class TooManyWatchers(ServiceError):
    """As many progress streams are open as may be; close one first."""

    kind = Kind.EXHAUSTED
    reason = "TOO_MANY_WATCHERS"
    retry_after_seconds_default = 15.0
