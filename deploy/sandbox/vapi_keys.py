"""Whose request it is: each API key of Vapi's opens one account, here called an organization as there."""

from __future__ import annotations

import hmac
import uuid
from http import HTTPStatus

from starlette.requests import Request

from deploy.sandbox.config import VAPI_ORG_ID
from deploy.sandbox.settings import Settings
from deploy.sandbox.vapi_errors import VapiError

_SCOPE_KEY = "sandbox.vapi_org_id"


def check_key(settings: Settings, request: Request) -> None:
    """Notes the organization of the request's key; with no key configured, any key opens the first one."""
    given = request.headers.get("authorization", "").encode()
    if settings.vapi_api_key and not _opens(settings.vapi_api_key, given):
        other = next((key for key in settings.vapi_other_keys if _opens(key, given)), None)
        if other is None:
            text = "Invalid Key. Hot tip, you may be using the public key."
            raise VapiError(HTTPStatus.UNAUTHORIZED, text)
        request.scope[_SCOPE_KEY] = str(uuid.uuid5(uuid.UUID(VAPI_ORG_ID), other))


def _opens(key: str, given: bytes) -> bool:
    return hmac.compare_digest(given, f"Bearer {key}".encode())


def organization_of(request: Request) -> str:
    return str(request.scope.get(_SCOPE_KEY, VAPI_ORG_ID))
