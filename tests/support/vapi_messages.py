"""Webhooks of the voice provider, made up after real ones: live shapes, documented ones, broken ones."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

STARTED_AT = 1_763_020_000_000
CUSTOMER = "+15145550101"
OUR_NUMBER = "+15145550100"


def snapshot(call_id: str, **fields: Any) -> dict[str, Any]:
    """The call as it was created; live webhooks repeat it unchanged until the end."""
    return {
        "id": call_id,
        "orgId": "1f64bde4-321d-55ff-a84b-8db22db27fcb",
        "createdAt": "2025-11-13T07:46:40.000Z",
        "updatedAt": "2025-11-13T07:46:40.000Z",
        "type": "inboundPhoneCall",
        "status": "ringing",
        "cost": 0,
        "phoneNumberId": "pn-1",
        "assistantId": "asst-1",
        "customer": {"number": CUSTOMER},
        **fields,
    }


def message(
    kind: str, call_id: str, *, at: float | None = None, call: Mapping[str, Any] | None = None, **fields: Any
) -> bytes:
    content: dict[str, Any] = {
        "type": kind,
        **fields,
        "call": snapshot(call_id, **(call or {})),
        "phoneNumber": {"id": "pn-1", "number": OUR_NUMBER, "twilioAuthToken": None},
        "customer": {"number": CUSTOMER},
    }
    if at is not None:
        content["timestamp"] = STARTED_AT + at * 1000
    return json.dumps({"message": content}, ensure_ascii=False).encode()


def status_update(
    call_id: str, status: str, *, at: float, ended_reason: str | None = None, **fields: Any
) -> bytes:
    if ended_reason is not None:
        fields["endedReason"] = ended_reason
    return message("status-update", call_id, at=at, status=status, **fields)


def said(role: str, words: str, *, at: float) -> dict[str, Any]:
    return {"role": role, "message": words, "time": STARTED_AT + at * 1000, "secondsFromStart": at}


def conversation_update(
    call_id: str, lines: Sequence[Mapping[str, Any]], *, at: float, **fields: Any
) -> bytes:
    return message("conversation-update", call_id, at=at, messages=list(lines), **fields)


def transcript(call_id: str, role: str, words: str, *, at: float, kind: str = "final") -> bytes:
    return message(
        'transcript[transcriptType="final"]' if kind == "final" else "transcript",
        call_id,
        at=at,
        role=role,
        transcriptType=kind,
        transcript=words,
    )


def tool_calls(call_id: str, *uses: Mapping[str, Any], at: float = 20, **fields: Any) -> bytes:
    return message("tool-calls", call_id, at=at, toolCalls=list(uses), toolCallList=list(uses), **fields)


def tool_use(tool_call_id: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"id": tool_call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def report(
    call_id: str,
    *,
    at: float = 61.2,
    ended_reason: str = "customer-ended-call",
    lines: Sequence[Mapping[str, Any]] = (),
    structured_data: Mapping[str, Any] | None = None,
    summary: str = "",
    **fields: Any,
) -> bytes:
    analysis: dict[str, Any] = {"summary": summary} if summary else {}
    if structured_data is not None:
        analysis |= {"structuredData": dict(structured_data), "successEvaluation": "true"}
    content: dict[str, Any] = {
        "endedReason": ended_reason,
        "startedAt": "2025-11-13T07:46:45.000Z",
        "endedAt": "2025-11-13T07:47:40.000Z",
        "durationSeconds": 55.0,
        "cost": 0.12345,
        "costBreakdown": {"stt": 0.01, "llm": 0.02, "total": 0.12345, "llmPromptTokens": 100},
        "analysis": analysis,
        "artifact": {"messages": list(lines), "recordingUrl": "https://storage.example/r.wav"},
        "summary": summary,
        **fields,
    }
    return message("end-of-call-report", call_id, at=at, **content)


FLOODED = (
    said("system", "You are an assistant.", at=0),
    said("bot", "Bonjour, comment puis-je vous aider?", at=1.5),
    said("user", "J'ai une INONDATION dans le sous-sol!", at=6),
    said("bot", "Quelqu'un vous rappelle tout de suite.", at=12),
)


def whole_call(call_id: str, *, structured_data: Mapping[str, Any] | None = None) -> list[bytes]:
    """What a call of a minute sends, in the order in which it happens."""
    return [
        status_update(call_id, "ringing", at=0),
        status_update(call_id, "in-progress", at=5),
        message("speech-update", call_id, at=6, status="started", role="assistant", turn=0),
        conversation_update(call_id, FLOODED[:2], at=8),
        message("speech-update", call_id, at=9, status="stopped", role="assistant", turn=0),
        conversation_update(call_id, FLOODED[:3], at=12),
        transcript(call_id, "user", "J'ai une INONDATION dans le sous-sol!", at=12),
        tool_calls(
            call_id,
            tool_use("call_1", "calculateQuote", '{"serviceType": "Débouchage", "urgency": true}'),
            tool_use("toolu_2", "classifyPriority", {"description": "inondation", "estimatedValue": 800}),
        ),
        status_update(call_id, "ended", at=60, ended_reason="customer-ended-call"),
        report(call_id, lines=FLOODED, structured_data=structured_data, summary="Inondation au sous-sol."),
    ]


STRUCTURED = {
    "nom": "Jean Tremblay",
    "courriel": "Jean.Tremblay@Exemple.ca",
    "adresse": "12 rue Principale",
    "codePostal": "h2x1y4",
    "description": "Inondation dans le sous-sol",
}

NASTY: Mapping[str, bytes] = {
    "empty": b"",
    "not json": b"hello",
    "truncated": b'{"message": {"type": "status-update", "call": {"id": "x"',
    "array": b"[1, 2, 3]",
    "null": b"null",
    "message is text": b'{"message": "hello"}',
    "type is a number": b'{"message": {"type": 5, "call": {"id": "nasty-5"}}}',
    "call is a list": b'{"message": {"type": "hang", "call": [1]}}',
    "nan": b'{"message": {"type": "hang", "x": NaN, "call": {"id": "nasty-nan"}}}',
    "lone surrogate": b'{"message": {"type": "hang", "x": "\\ud800", "call": {"id": "nasty-s"}}}',
    "invalid utf-8": b'{"message": {"type": "\xff\xfe", "call": {"id": "nasty-u"}}}',
    "nul": b'{"message": {"type": "hang", "x": "\\u0000", "\\u0000": 1, "call": {"id": "nasty\\u0000-nul"}}}',
    "depth": b'{"message": {"type": "hang", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "depth 900": b'{"message": {"type": "hang", "call": {"id": "nasty-d"}, "x": '
    + b'{"a":' * 900
    + b"1"
    + b"}" * 902,
    "endless digits": b'{"message": {"type": "hang", "x": ' + b"9" * 4301 + b', "call": {"id": "nasty-9"}}}',
    "big integer": b'{"message": {"type": "hang", "x": 12345678901234567890123, "call": {"id": "nasty-i"}}}',
    "a thousand digits": b'{"message": {"type": "hang", "timestamp": 1'
    + b"0" * 1000
    + b', "x": 1'
    + b"0" * 1000
    + b', "call": {"id": "nasty-k"}}}',
    "huge float": b'{"message": {"type": "hang", "x": 1e999, "call": {"id": "nasty-f"}}}',
    "numbers out of range": (
        b'{"message": {"type": "end-of-call-report", "timestamp": 1e18, "cost": 1e12, "durationSeconds": -5,'
        b' "startedAt": "never", "endedAt": 5, "endedReason": ["x"], "analysis": [], "artifact": "x",'
        b' "call": {"id": "nasty-r", "customer": 7, "type": 3}}}'
    ),
    "long words": b'{"message": {"type": "' + b"x" * 5000 + b'", "call": {"id": "' + b"y" * 5000 + b'"}}}',
}
