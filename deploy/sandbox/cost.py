"""What a call costs by the length of its talk; as with Vapi, rounded parts do not quite sum to the total."""

from __future__ import annotations

from typing import Any

_DOLLARS_PER_MINUTE = {"transport": 0.0085, "stt": 0.0102, "llm": 0.0187, "tts": 0.0361, "vapi": 0.05}


def cost_of(talk_seconds: float, *, characters: int) -> tuple[float, list[dict[str, Any]], dict[str, Any]]:
    """Total, typed list and breakdown."""
    minutes = talk_seconds / 60
    parts = {name: round(rate * minutes, 4) for name, rate in _DOLLARS_PER_MINUTE.items()}
    analysis = 0.0009 if talk_seconds else 0.0
    prompt, completion = int(minutes * 900), int(characters / 4)
    total = round(sum(rate * minutes for rate in _DOLLARS_PER_MINUTE.values()) + analysis, 4)
    rounded = round(minutes, 4)
    costs: list[dict[str, Any]] = [
        {"type": "transport", "provider": "twilio", "minutes": rounded, "cost": parts["transport"]},
        {
            "type": "transcriber",
            "transcriber": {"provider": "deepgram"},
            "minutes": rounded,
            "cost": parts["stt"],
        },
        {
            "type": "model",
            "model": {"provider": "openai", "model": "gpt-4o"},
            "promptTokens": prompt,
            "completionTokens": completion,
            "cost": parts["llm"],
        },
        {"type": "voice", "voice": {"provider": "11labs"}, "characters": characters, "cost": parts["tts"]},
        {"type": "vapi", "subType": "normal", "minutes": rounded, "cost": parts["vapi"]},
        {
            "type": "analysis",
            "analysisType": "summary",
            "model": {"provider": "openai", "model": "gpt-4o"},
            "promptTokens": prompt,
            "completionTokens": 40,
            "cost": analysis,
        },
    ]
    breakdown = {
        **parts,
        "chat": 0,
        "total": total,
        "llmPromptTokens": prompt,
        "llmCompletionTokens": completion,
        "ttsCharacters": characters,
        "analysisCostBreakdown": {
            "summary": analysis,
            "summaryPromptTokens": prompt,
            "summaryCompletionTokens": 40,
        },
    }
    return total, costs, breakdown
