"""What a voice, a model and a transcriber of each provider need, and within which limits.

Facts from Vapi's OpenAPI description, the schemas that `CreateAssistantDTO` names (2026-11).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Range:
    least: float
    most: float | None = None

    def breach(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "must be a number"
        if value < self.least or (self.most is not None and value > self.most):
            top = "" if self.most is None else f" and at most {self.most:g}"
            return f"must be at least {self.least:g}{top}"
        return None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a voice, model or transcriber of one provider needs, and within which limits."""

    required: tuple[str, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)


_VOICE: Final = ("voiceId",)
VOICES: Final[Mapping[str, Kind]] = {
    "11labs": Kind(
        _VOICE,
        {
            "stability": Range(0, 1),
            "similarityBoost": Range(0, 1),
            "style": Range(0, 1),
            "speed": Range(0.7, 1.2),
            "optimizeStreamingLatency": Range(0, 4),
        },
    ),
    "azure": Kind(_VOICE, {"speed": Range(0.5, 2)}),
    "cartesia": Kind(_VOICE),
    "custom-voice": Kind(("server",)),
    "deepgram": Kind(_VOICE),
    "hume": Kind(_VOICE),
    "inworld": Kind(_VOICE, {"temperature": Range(0.1, 2), "speakingRate": Range(0.5, 1.5)}),
    "lmnt": Kind(_VOICE, {"speed": Range(0.25, 2)}),
    "microsoft": Kind(_VOICE, {"styleDegree": Range(0.01, 2), "speed": Range(0.5, 2)}),
    "minimax": Kind(_VOICE, {"pitch": Range(-12, 12), "speed": Range(0.5, 2), "volume": Range(0.5, 2)}),
    "neuphonic": Kind(("voiceId", "language"), {"speed": Range(0.25, 2)}),
    "openai": Kind(_VOICE, {"speed": Range(0.25, 4)}),
    "playht": Kind(
        _VOICE,
        {
            "speed": Range(0.1, 5),
            "temperature": Range(0.1, 2),
            "voiceGuidance": Range(1, 6),
            "styleGuidance": Range(1, 30),
            "textGuidance": Range(1, 2),
        },
    ),
    "rime-ai": Kind(_VOICE, {"speed": Range(0.1)}),
    "sesame": Kind(("voiceId", "model")),
    "smallest-ai": Kind(_VOICE),
    "tavus": Kind(_VOICE),
    "vapi": Kind(_VOICE, {"speed": Range(0.25, 2)}),
    "wellsaid": Kind(_VOICE),
    "xai": Kind(_VOICE, {"speed": Range(0.7, 1.5)}),
}
_MODEL_RANGES: Final = {
    "temperature": Range(0, 2),
    "maxTokens": Range(50, 10_000),
    "numFastTurns": Range(0),
}
_MODEL_PROVIDERS: Final = (
    "anthropic", "anthropic-bedrock", "anyscale", "cerebras", "deep-seek", "deepinfra", "google", "groq",
    "inflection-ai", "minimax", "openai", "openrouter", "perplexity-ai", "together-ai", "xai",
)  # fmt: skip
MODELS: Final[Mapping[str, Kind]] = {
    **{provider: Kind(("model",), _MODEL_RANGES) for provider in _MODEL_PROVIDERS},
    "custom-llm": Kind(("model", "url"), {**_MODEL_RANGES, "timeoutSeconds": Range(0, 300)}),
    "vapi": Kind((), _MODEL_RANGES),
}
TRANSCRIBERS: Final[Mapping[str, Kind]] = {
    **{
        provider: Kind()
        for provider in (
            "11labs", "assembly-ai", "azure", "cartesia", "deepgram", "gladia", "google", "soniox",
            "talkscriber", "vapi", "xai",
        )
    },
    "custom-transcriber": Kind(("server",)),
    "openai": Kind(("model",)),
    "speechmatics": Kind(("customVocabulary",)),
}  # fmt: skip
