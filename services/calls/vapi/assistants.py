"""Assistants in Vapi's JSON: what we add to every one, and what never leaves this service again."""

import json
from collections.abc import Mapping
from typing import Any, Final

from libs.environment import Secret
from services.calls.domain.assistants import ProviderAssistant, ProviderPhoneNumber
from services.calls.vapi.calls import moment

# Without `tool-calls` in the list tools get no webhook, and `transcript` is not among Vapi's defaults.
SERVER_MESSAGES: Final = (
    "status-update",
    "end-of-call-report",
    "tool-calls",
    "transcript",
    "conversation-update",
    "speech-update",
    "transfer-destination-request",
    "transfer-update",
    "hang",
    "user-interrupted",
    "assistant.started",
)

# Without a plan Vapi does not retry a webhook at all.
_BACKOFF_PLAN: Final = {"type": "exponential", "maxRetries": 10, "baseDelaySeconds": 1}
_TIMEOUT_SECONDS: Final = 20
# What Vapi or we set; sent back in a change it would be refused, or undo our own settings.
_NOT_CONFIG: Final = frozenset(
    {
        "id", "orgId", "createdAt", "updatedAt", "name", "server", "serverUrl", "serverUrlSecret",
        "serverMessages", "isServerUrlSecretSet", "latestVersion", "assistantVersion",
    }
)  # fmt: skip
_SECRET_KEYS: Final = frozenset(
    {
        "secret", "serverurlsecret", "apikey", "api_key", "authtoken", "auth_token", "twilioauthtoken",
        "password", "token", "accesstoken", "access_token", "clientsecret", "client_secret", "authorization",
        "headers",
    }
)  # fmt: skip
_SECRET_HOLDERS: Final = frozenset({"model", "voice", "transcriber", "hooks"})
# JSON schemas: the names in them are names of fields, not secrets.
_SCHEMAS: Final = frozenset({"parameters", "schema", "properties"})
_DEPTH_MAX: Final = 40


def server(*, url: str, credential_id: str, secret: Secret) -> dict[str, Any]:
    """`assistant.server`. With a stored credential Vapi signs each body; a bare secret travels in a
    header."""
    settings: dict[str, Any] = {
        "url": url,
        "timeoutSeconds": _TIMEOUT_SECONDS,
        "backoffPlan": dict(_BACKOFF_PLAN),
    }
    if credential_id:
        settings["credentialId"] = credential_id
    elif secret:
        settings["headers"] = {"X-Vapi-Secret": secret.reveal()}
    return settings


def outgoing(config: Mapping[str, Any], *, name: str, server: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with our webhook in it, so that no call of this assistant goes unheard."""
    wanted = config.get("serverMessages")
    extra = [one for one in wanted if isinstance(one, str)] if isinstance(wanted, list) else []
    return {
        **{key: value for key, value in config.items() if key not in _NOT_CONFIG},
        "name": name,
        "server": dict(server),
        "serverMessages": list(dict.fromkeys([*SERVER_MESSAGES, *extra])),
    }


def provider_assistant(document: Any) -> ProviderAssistant | None:
    """None for anything that is not an assistant with an id."""
    if not isinstance(document, Mapping) or not isinstance(document.get("id"), str):
        return None
    name = document.get("name")
    config = {key: value for key, value in document.items() if key not in _NOT_CONFIG}
    return ProviderAssistant(
        id=document["id"],
        name=name if isinstance(name, str) else "",
        config=_without_secrets(config, depth=0),
        updated_at=moment(document.get("updatedAt")),
        created_at=moment(document.get("createdAt")),
    )


def with_secrets_kept(body: Mapping[str, Any], *, present: Any) -> dict[str, Any]:
    """The body of a change, with the secrets that what it replaces has at the provider. Vapi replaces an
    object that is sent whole, and our copies of them have no secrets."""
    known = present if isinstance(present, Mapping) else {}
    own = ("server", "serverMessages", "name")
    return {key: value if key in own else _with_secrets(value, known.get(key)) for key, value in body.items()}


def may_have_secrets(wanted: Mapping[str, Any]) -> bool:
    """Whether a part that is replaced whole may hold secrets at Vapi."""
    return not _SECRET_HOLDERS.isdisjoint(wanted)


def overrides(wanted: Mapping[str, Any], *, server: Mapping[str, Any]) -> dict[str, Any]:
    """What a call's order may lay over its assistant; the rest of the call is ours to say."""
    return {
        **{key: value for key, value in wanted.items() if key not in _NOT_CONFIG},
        "server": dict(server),
        "serverMessages": list(SERVER_MESSAGES),
    }


def phone_number(document: Any) -> ProviderPhoneNumber | None:
    if not isinstance(document, Mapping) or not isinstance(document.get("id"), str):
        return None
    number, name = document.get("number"), document.get("name")
    return ProviderPhoneNumber(
        id=document["id"],
        number=number if isinstance(number, str) else "",
        name=name if isinstance(name, str) else "",
    )


def _with_secrets(wanted: Any, present: Any) -> Any:
    if isinstance(wanted, Mapping) and isinstance(present, Mapping):
        kept = {key: value for key, value in present.items() if key.lower() in _SECRET_KEYS}
        changed = {
            key: value if key in _SCHEMAS else _with_secrets(value, present.get(key))
            for key, value in wanted.items()
        }
        return {**kept, **changed}
    if isinstance(wanted, list) and isinstance(present, list):
        known = {_identity(one): one for one in reversed(present)}
        return [_with_secrets(one, known.get(_identity(one))) for one in wanted]
    return wanted


def _identity(value: Any) -> str:
    """What a tool, a hook or a credential of a list is known by."""
    if not isinstance(value, Mapping):
        return ""
    function = value.get("function")
    named = function if isinstance(function, Mapping) else value
    return json.dumps([value.get("type"), value.get("provider"), value.get("on"), named.get("name")])


def _without_secrets(value: Any, *, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        return None
    if isinstance(value, Mapping):
        return {
            key: inner if key in _SCHEMAS else _without_secrets(inner, depth=depth + 1)
            for key, inner in value.items()
            if key in _SCHEMAS or key.lower() not in _SECRET_KEYS
        }
    if isinstance(value, list):
        return [_without_secrets(inner, depth=depth + 1) for inner in value]
    return value
