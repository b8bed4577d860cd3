"""Bodies that break parsers, as webhooks of the voice provider: rightly signed, and to be kept as they are.

`CALL` stands for the id of a call, so that each can be about one of its own.
"""

from collections.abc import Mapping

MEBIBYTE = 1024 * 1024


def _message(member: bytes, *, call: bytes = b"CALL") -> bytes:
    return (
        b'{"message":{"type":"hang","timestamp":1763020000000,' + member + b',"call":{"id":"' + call + b'"}}}'
    )


def _deep(opening: bytes, closing: bytes, depth: int) -> bytes:
    return _message(b'"x":' + opening * depth + b"1" + closing * depth)


# B13: text.
TEXTS: Mapping[str, bytes] = {
    "NUL": _message(b'"x":"a\\u0000b"'),
    "NUL in a key and in the id": _message(b'"\\u0000":1', call=b"\\u0000CALL"),
    "raw NUL": _message(b'"x":"a\x00b"'),
    "lone high surrogate": _message(b'"x":"\\ud800"'),
    "lone low surrogate": _message(b'"x":"\\udc00 after"'),
    "surrogates the wrong way round": _message(b'"x":"\\udc00\\ud800"'),
    "surrogate as UTF-8": _message(b'"x":"\xed\xa0\x80"'),
    "byte order mark": b"\xef\xbb\xbf" + _message(b'"x":1'),
    "UTF-16": _message(b'"x":1').decode().encode("utf-16"),
    "overlong slash": _message(b'"x":"\xc0\xaf"'),
    "overlong NUL": _message(b'"x":"\xc0\x80"'),
    "cut UTF-8": _message(b'"x":"\xe2\x82"'),
    "beyond Unicode": _message(b'"x":"\xf4\x90\x80\x80"'),
    "Latin-1": _message(b'"x":"\xe9t\xe9"'),
    "right to left": _message('"x":"\u202eabc\u202c \u200b\ufeff"'.encode()),
    "four bytes": _message('"x":"\U0001f6a8\U0001f3ff\U000e0001"'.encode()),
}
# B14: structure.
STRUCTURES: Mapping[str, bytes] = {
    "objects 100 deep": _deep(b'{"a":', b"}", 100),
    "objects 500 deep with a secret": _message(
        b'"apiKey":"canary","x":' + b'{"a":' * 500 + b"1" + b"}" * 500
    ),
    "objects 1,000 deep": _deep(b'{"a":', b"}", 1_000),
    "objects 100,000 deep": _deep(b'{"a":', b"}", 100_000),
    "lists 1,000 deep": _deep(b"[", b"]", 1_000),
    "lists 100,000 deep": _deep(b"[", b"]", 100_000),
    "opened 100,000 times": b"[" * 100_000,
    "4,301 digits": _message(b'"x":' + b"9" * 4_301),
    "4,300 digits": _message(b'"x":' + b"9" * 4_300),
    "4,300 digits and a secret": _message(b'"token":"canary","x":' + b"9" * 4_300),
    "digits in every number": (
        b'{"message":{"type":"end-of-call-report","timestamp":' + b"9" * 400 + b',"cost":' + b"9" * 400
        + b',"durationSeconds":' + b"9" * 400 + b',"call":{"id":"CALL"}}}'
    ),
    "1e400": _message(b'"x":1e400'),
    "-1e400": _message(b'"x":-1e400'),
    "1e-400": _message(b'"x":1e-400'),
    "NaN": _message(b'"x":NaN'),
    "Infinity": _message(b'"x":-Infinity'),
    "every key twice": _message(b'"type":"status-update","type":"hang","x":1,"x":{"a":2}'),
    "half a million keys": _message(b",".join(b'"k%d":1' % n for n in range(500_000))),
    "the same key half a million times": _message(b",".join([b'"k":1'] * 500_000)),
    "half a million numbers": _message(b'"x":[' + b"1," * 500_000 + b"1]"),
    "trailing bytes": _message(b'"x":1') + b"}",
    "two documents": _message(b'"x":1') * 2,
    "empty": b"",
    "spaces": b" " * 1000,
    "a list": b"[" + _message(b'"x":1') + b"]",
    "text": b'"CALL"',
    "null": b"null",
    "a message that is a list": b'{"message":[{"type":"hang"}]}',
    "everything of another type": (
        b'{"message":{"type":["hang"],"timestamp":{},"role":7,"call":"CALL","toolCallList":"x"}}'
    ),
    "a type that is no word": b'{"message":{"type":"' + b"x" * 100_000 + b'","call":{"id":"CALL"}}}',
}  # fmt: skip


def about(call_id: str, body: bytes) -> bytes:
    return body.replace(b"CALL", call_id.encode())


def large_report(call_id: str, *, size_bytes: int) -> bytes:
    """An end-of-call report of about this size, most of it conversation."""
    line = b'{"role":"user","message":"' + b"Il y a de l'eau partout. " * 40 + b'","time":1763020001000}'
    lines = b",".join([line] * (size_bytes // (len(line) + 1)))
    return (
        b'{"message":{"type":"end-of-call-report","timestamp":1763020060000,"endedReason":"customer-ended-call",'
        b'"cost":0.5,"analysis":{"summary":"Water."},"artifact":{"messages":[' + lines + b"]},"
        b'"call":{"id":"' + call_id.encode() + b'","type":"inboundPhoneCall"}}}'
    )
