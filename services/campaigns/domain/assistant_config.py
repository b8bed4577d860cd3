"""The rules a configuration has to keep: the fields, voices, models and limits of the provider, and no
secret.

Facts from Vapi's OpenAPI description, `CreateAssistantDTO` and the schemas it names (2026-11). Only what
breaks a rule for certain is refused here; the provider has the last word.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from libs.errors import FieldViolation
from services.campaigns.domain import assistant_kinds, assistant_secrets
from services.campaigns.domain.assistant_kinds import Kind, Range

_BYTES_MAX: Final = 256 * 1024
_DEPTH_MAX: Final = 20
_VIOLATIONS_MAX: Final = 50

# What the provider has in place of a field that nobody set; sent to take one away, because its PATCH takes no
# null.
UNSET_VALUES: Final[Mapping[str, Any]] = {
    "firstMessage": "",
    "firstMessageInterruptionsEnabled": False,
    "firstMessageMode": "assistant-speaks-first",
    "voicemailDetection": "off",
    "clientMessages": [],
    "maxDurationSeconds": 600,
    "backgroundSound": "office",
    "modelOutputInMessagesEnabled": False,
    "transportConfigurations": [],
    "credentials": [],
    "hooks": [],
    "voicemailMessage": "",
    "endCallMessage": "",
    "endCallPhrases": [],
    "compliancePlan": {},
    "metadata": {},
    "backgroundSpeechDenoisingPlan": {},
    "analysisPlan": {},
    "artifactPlan": {},
    "startSpeakingPlan": {},
    "stopSpeakingPlan": {},
    "monitorPlan": {},
    "credentialIds": [],
    "keypadInputPlan": {},
}
# Set by Callplane, whatever is sent.
_OURS: Final = frozenset({"name", "server", "serverMessages"})
_OBJECTS: Final = frozenset({"model", "voice", "transcriber", "observabilityPlan"}) | {
    key for key, value in UNSET_VALUES.items() if isinstance(value, dict)
}
_LISTS: Final = frozenset(key for key, value in UNSET_VALUES.items() if isinstance(value, list))
_FLAGS: Final = frozenset(key for key, value in UNSET_VALUES.items() if isinstance(value, bool))
# The longest text of each, where there is one.
_TEXTS: Final = {"firstMessage": None, "voicemailMessage": 1000, "endCallMessage": 1000}
_FIRST_MESSAGE_MODES: Final = (
    "assistant-speaks-first",
    "assistant-speaks-first-with-model-generated-message",
    "assistant-waits-for-user",
)
_PHRASE_LENGTHS: Final = (2, 140)
_FUNCTION_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def violations(config: Mapping[str, Any]) -> list[FieldViolation]:
    """Everything that is wrong, up to 50; `None` for a field that is to be taken away is fine."""
    breach = _size_breach(config) or _text_breach(config)
    if breach:
        return [FieldViolation("config", breach)]
    found = [*_fields(config), *assistant_secrets.secrets("config", config)]
    return found[:_VIOLATIONS_MAX]


def _size_breach(config: Mapping[str, Any]) -> str | None:
    if _depth(config) > _DEPTH_MAX:
        return f"must not be nested deeper than {_DEPTH_MAX} levels"
    if len(json.dumps(config, ensure_ascii=False).encode()) > _BYTES_MAX:
        return f"must be at most {_BYTES_MAX} bytes of JSON"
    return None


def _text_breach(value: Any) -> str | None:
    """What no JSON document of ours could hold."""
    if isinstance(value, str):
        return "must not have the character U+0000" if "\0" in value else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "must have finite numbers only"
    parts: list[Any] = []
    if isinstance(value, Mapping):
        parts = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    return next((breach for part in parts if (breach := _text_breach(part))), None)


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _fields(config: Mapping[str, Any]) -> Iterator[FieldViolation]:
    for key, value in config.items():
        if key in _OURS or value is None:
            continue
        place = f"config.{key}"
        if key not in UNSET_VALUES and key not in _OBJECTS:
            yield FieldViolation(place, "is not a field of an assistant at the provider")
        elif breach := _type_breach(key, value):
            yield FieldViolation(place, breach)
        elif key in _CHECKS:
            yield from _CHECKS[key](place, value)


def _type_breach(key: str, value: Any) -> str | None:
    if key in _OBJECTS and not isinstance(value, Mapping):
        return "must be an object"
    if key in _LISTS and not isinstance(value, list):
        return "must be a list"
    if key in _FLAGS and not isinstance(value, bool):
        return "must be true or false"
    if key in _TEXTS:
        longest = _TEXTS[key]
        if not isinstance(value, str):
            return "must be text"
        if longest is not None and len(value) > longest:
            return f"must have at most {longest} characters"
    return None


def _kinds(kinds: Mapping[str, Kind]) -> Callable[[str, Any], Iterator[FieldViolation]]:
    def check(place: str, value: Mapping[str, Any]) -> Iterator[FieldViolation]:
        kind = kinds.get(str(value.get("provider")))
        if kind is None:
            yield FieldViolation(f"{place}.provider", f"must be one of {', '.join(sorted(kinds))}")
            return
        for key in kind.required:
            if not value.get(key):
                yield FieldViolation(f"{place}.{key}", f"is needed with provider {value['provider']}")
        for key, limits in kind.ranges.items():
            breach = limits.breach(value[key]) if value.get(key) is not None else None
            if breach:
                yield FieldViolation(f"{place}.{key}", breach)

    return check


def _model(place: str, value: Mapping[str, Any]) -> Iterator[FieldViolation]:
    yield from _kinds(assistant_kinds.MODELS)(place, value)
    tools = value.get("tools", [])
    if not isinstance(tools, list):
        yield FieldViolation(f"{place}.tools", "must be a list")
        return
    for index, tool in enumerate(tools):
        inner = f"{place}.tools.{index}"
        if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str):
            yield FieldViolation(f"{inner}.type", "is needed")
        elif tool["type"] == "function":
            function = tool.get("function")
            name = function.get("name") if isinstance(function, Mapping) else None
            if not isinstance(name, str) or not _FUNCTION_NAME.fullmatch(name):
                text = "must be 1 to 64 letters, digits, hyphens or underscores"
                yield FieldViolation(f"{inner}.function.name", text)


def _duration(place: str, value: Any) -> Iterator[FieldViolation]:
    breach = Range(10, 43_200).breach(value)
    if breach:
        yield FieldViolation(place, breach)


def _first_message_mode(place: str, value: Any) -> Iterator[FieldViolation]:
    if value not in _FIRST_MESSAGE_MODES:
        yield FieldViolation(place, f"must be one of {', '.join(_FIRST_MESSAGE_MODES)}")


def _background_sound(place: str, value: Any) -> Iterator[FieldViolation]:
    if not isinstance(value, str) or not (value in ("off", "office") or value.startswith("https://")):
        yield FieldViolation(place, "must be off, office or the https address of a sound")


def _voicemail_detection(place: str, value: Any) -> Iterator[FieldViolation]:
    known = ("google", "openai", "twilio", "vapi")
    if value != "off" and not (isinstance(value, Mapping) and value.get("provider") in known):
        yield FieldViolation(place, f"must be off, or an object with a provider of {', '.join(known)}")


def _phrases(place: str, value: list[Any]) -> Iterator[FieldViolation]:
    least, most = _PHRASE_LENGTHS
    for index, phrase in enumerate(value):
        if not isinstance(phrase, str) or not least <= len(phrase) <= most:
            yield FieldViolation(f"{place}.{index}", f"must be text of {least} to {most} characters")


_CHECKS: Final[Mapping[str, Callable[[str, Any], Iterator[FieldViolation]]]] = {
    "voice": _kinds(assistant_kinds.VOICES),
    "model": _model,
    "transcriber": _kinds(assistant_kinds.TRANSCRIBERS),
    "maxDurationSeconds": _duration,
    "firstMessageMode": _first_message_mode,
    "backgroundSound": _background_sound,
    "voicemailDetection": _voicemail_detection,
    "endCallPhrases": _phrases,
}
