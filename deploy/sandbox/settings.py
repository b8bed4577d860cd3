"""What may change while the sandbox runs: where webhooks go, how they are signed, how calls behave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

Signature = Literal["HMAC_BODY", "HMAC_TIMESTAMP", "SHARED_SECRET"]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Weight = Annotated[float, msgspec.Meta(ge=0)]

SECRET_FIELDS = frozenset({"webhookSecret", "vapiApiKey", "vapiOtherKeys", "twilioAuthToken"})


class Settings(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """`speed` is how many scripted seconds pass in one real second; `callSeconds` and
    `reportDelaySeconds` are real seconds."""

    webhook_url: str = ""
    webhook_secret: str = ""
    signature: Signature = "HMAC_BODY"
    # Of webhooks that go to the account's own server; an assistant's server has a plan of its own.
    webhook_retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    vapi_api_key: str = ""
    # Each is an account of its own, empty at first; those who hold one see nothing of another.
    vapi_other_keys: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    twilio_sms_url: str = ""
    call_seconds: tuple[Seconds, Seconds] = (8.0, 20.0)
    outcomes: dict[str, Weight] = msgspec.field(
        default_factory=lambda: {"customer-ended-call": 0.7, "customer-did-not-answer": 0.2, "voicemail": 0.1}
    )
    outcomes_by_number: dict[str, str] = {}
    concurrency_limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 10
    speed: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 1.0
    report_delay_seconds: Seconds = 1.2
    twilio_errors: dict[str, Annotated[int, msgspec.Meta(ge=10_000, le=99_999)]] = {}
    receiver_status: dict[str, Annotated[int, msgspec.Meta(ge=200, le=599)]] = {}

    def __post_init__(self) -> None:
        if self.call_seconds[0] > self.call_seconds[1]:
            raise ValueError("callSeconds must be [least, most]")
        if not sum(self.outcomes.values()) > 0:
            raise ValueError("outcomes must hold at least one weight above 0")

    def real_seconds(self, scripted_seconds: float) -> float:
        return scripted_seconds / self.speed


def changed(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """`settings` with `values` (JSON names) laid over it; raises ValueError naming what is wrong."""
    try:
        return msgspec.convert({**msgspec.to_builtins(settings), **values}, Settings)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def public_view(settings: Settings) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(settings)
    return {name: "***" if name in SECRET_FIELDS and value else value for name, value in values.items()}
