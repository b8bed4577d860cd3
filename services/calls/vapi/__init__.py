"""Vapi, the voice provider: its HTTP API and nothing else of it. The only place of this service that knows
httpx."""

from services.calls.vapi.client import Vapi
from services.calls.vapi.directory import Webhook
from services.calls.vapi.transport import VapiTransport

__all__ = ["Vapi", "VapiTransport", "Webhook"]
