"""What a configuration may say: the provider's fields and limits, and no secret."""

from typing import Any

import pytest

from services.campaigns.domain import assistant_config
from services.campaigns.domain.templates import TEMPLATES

MODEL = {"provider": "openai", "model": "gpt-4o"}
VOICE = {"provider": "11labs", "voiceId": "burt"}


def breaches(config: dict[str, Any]) -> dict[str, str]:
    return {one.field: one.description for one in assistant_config.violations(config)}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.key)
def test_every_template_keeps_the_rules(template: Any) -> None:
    """AS-3: what is there to be cloned can be created."""
    assert {} == breaches(dict(template.config))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model": MODEL, "voice": VOICE, "firstMessage": "", "maxDurationSeconds": 43200},
        {"firstMessage": None, "model": None},
        {"server": {"url": "https://x"}, "serverMessages": [], "name": "ours anyway"},
        {"model": {"provider": "vapi", "tools": [{"type": "function", "function": {"name": "get_price"}}]}},
        {"voicemailDetection": "off", "backgroundSound": "https://example.com/sound.mp3"},
        {"model": {**MODEL, "tools": [{"type": "function", "function": {"name": "a", "parameters": {
            "type": "object", "properties": {"token": {"type": "string"}}}}}]}},
    ],
)  # fmt: skip
def test_what_the_provider_takes_is_taken(config: dict[str, Any]) -> None:
    assert {} == breaches(config)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"noSuchField": 1}, "config.noSuchField"),
        ({"voice": "burt"}, "config.voice"),
        ({"voice": {"provider": "nobody", "voiceId": "x"}}, "config.voice.provider"),
        ({"voice": {"provider": "11labs"}}, "config.voice.voiceId"),
        ({"voice": {**VOICE, "speed": 2}}, "config.voice.speed"),
        ({"voice": {**VOICE, "speed": True}}, "config.voice.speed"),
        ({"voice": {"provider": "neuphonic", "voiceId": "x"}}, "config.voice.language"),
        ({"model": {"provider": "openai"}}, "config.model.model"),
        ({"model": {**MODEL, "temperature": 2.1}}, "config.model.temperature"),
        ({"model": {**MODEL, "maxTokens": 49}}, "config.model.maxTokens"),
        ({"model": {"provider": "custom-llm", "model": "x"}}, "config.model.url"),
        ({"model": {**MODEL, "tools": [{"type": "function", "function": {"name": "é"}}]}},
         "config.model.tools.0.function.name"),
        ({"model": {**MODEL, "tools": [{}]}}, "config.model.tools.0.type"),
        ({"transcriber": {"provider": "openai"}}, "config.transcriber.model"),
        ({"maxDurationSeconds": 9}, "config.maxDurationSeconds"),
        ({"maxDurationSeconds": 43201}, "config.maxDurationSeconds"),
        ({"voicemailMessage": "x" * 1001}, "config.voicemailMessage"),
        ({"endCallPhrases": ["x"]}, "config.endCallPhrases.0"),
        ({"firstMessageMode": "shout"}, "config.firstMessageMode"),
        ({"backgroundSound": "http://example.com/x.mp3"}, "config.backgroundSound"),
        ({"voicemailDetection": {"provider": "nobody"}}, "config.voicemailDetection"),
        ({"hooks": {}}, "config.hooks"),
        ({"metadata": {"x": "y" * 300_000}}, "config"),
        ({"metadata": {"x": ["a\0b"]}}, "config"),
        ({"metadata": {"\0": 1}}, "config"),
        ({"maxDurationSeconds": float("nan")}, "config"),
        ({"metadata": {"x": float("inf")}}, "config"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_named(config: dict[str, Any], field: str) -> None:
    """AS-6: voice, model and limits of the provider, each with its field and a reason."""
    assert [field] == list(breaches(config))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"credentials": [{"provider": "openai", "apiKey": "sk-1"}]}, "config.credentials.0.apiKey"),
        ({"model": {**MODEL, "tools": [{"type": "endCall", "server": {"secret": "s"}}]}},
         "config.model.tools.0.server.secret"),
        ({"metadata": {"a": {"Password": "p"}}}, "config.metadata.a.Password"),
        ({"model": {**MODEL, "headers": {"Cookie": "x"}}}, "config.model.headers.Cookie"),
        ({"model": {**MODEL, "headers": {"X-Api-Key": "x"}}}, "config.model.headers.X-Api-Key"),
    ],
)  # fmt: skip
def test_a_secret_is_refused_wherever_it_stands(config: dict[str, Any], field: str) -> None:
    """AS-6: secrets stay at the provider."""
    assert [field] == list(breaches(config))


def test_a_nest_without_end_is_refused_and_nothing_breaks() -> None:
    nest: dict[str, Any] = {}
    for _ in range(60):
        nest = {"metadata": nest}

    assert ["config"] == list(breaches(nest))
