"""Providers echo credentials in their webhooks: server secrets, tokens of telephony accounts, headers. None
is stored.

Most bodies hold no such key and cost one scan of their bytes. What looks like JSON is rewritten value by
value; what cannot be parsed has its strings replaced where they stand.
"""

import functools
import re
from typing import Any, Final

import msgspec
import re2

REDACTED: Final = "[redacted]"

# Compared with the key in lower case and without separators: `X-Vapi-Secret`, `twilioAuthToken`, `api_key`.
_ENDINGS: Final = ("secret", "token", "password", "passphrase", "apikey", "authorization", "privatekey")
_KEY_LENGTH_MAX: Final = 40
_KEYS_MAX: Final = 4096
_SEPARATORS: Final = re.compile(r"[^a-z0-9]")

# The same in the bytes of a body. A backslash before the quote: JSON inside a string, as models send it.
_KEYS: Final = rb"(?:secret|token|password|passphrase|api[-_ ]?key|authorization|private[-_ ]?key)"
_WORDS: Final = (b"secret", b"token", b"password", b"passphrase", b"key", b"authorization")
_MEMBERS: Final = {word: re.compile(word + rb'\\*"\s*:(?!\s*null)') for word in _WORDS}
# Letters of a key may be spelled as escapes.
_SPELLED: Final = re.compile(rb"\\u00(?:[4-7]|2d)")
_TWO_PARTS: Final = re.compile(rb"eyJ[\w-]+\.eyJ")
_BYTEWISE: Final = re2.Options()
_BYTEWISE.encoding = re2.Options.Encoding.LATIN1
# All of these at once, and somewhat more: a single walk over the bytes in a third of the time.
_ANY_SIGN: Final = re2.compile(
    rb"(?i:" + b"|".join(_WORDS) + rb')\\*"[\s\v]*:|\\[uU]00(?:[4-7]|2[dD])|eyJ[\w-]+\.eyJ', _BYTEWISE
)
_NESTED_SIGN: Final = re.compile(_KEYS.decode() + r'"\s*:', re.IGNORECASE)
_JSON_WEB_TOKEN: Final = re.compile(r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*")
_IN_BYTES: Final = re.compile(
    rb'("[^"\\]{0,60}' + _KEYS + rb'"\s*:\s*)("(?:[^"\\]|\\.)*"?|[-\d][^\s,}\]]*)', re.IGNORECASE
)
_TOKEN_IN_BYTES: Final = re.compile(rb"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*")


def stripped(body: bytes) -> bytes:
    """The body without the values of secret keys and without JSON Web Tokens; the same object if there are
    none."""
    if not _may_hold_secrets(body):
        return body
    try:
        document = msgspec.json.decode(body)
        redacted = _redacted(document)
        return body if redacted == document else msgspec.json.encode(redacted)
    except (ValueError, OverflowError, RecursionError):
        return _stripped_bytes(body)


def without_secrets(document: Any) -> Any:
    """The same for JSON that is parsed already."""
    return _redacted(document)


def _may_hold_secrets(body: bytes) -> bool:
    """Every webhook passes here, and nearly all of them leave at the first line."""
    if _ANY_SIGN.search(body) is None:
        return False
    lowered = body.lower()
    if any(word in lowered and member.search(lowered) for word, member in _MEMBERS.items()):
        return True
    return (b"\\u00" in lowered and _SPELLED.search(lowered) is not None) or (
        b"eyJ" in body and _TWO_PARTS.search(body) is not None
    )


def _stripped_bytes(body: bytes) -> bytes:
    replacement = rb'\1"' + REDACTED.encode() + rb'"'
    return _TOKEN_IN_BYTES.sub(REDACTED.encode(), _IN_BYTES.sub(replacement, body))


def _redacted(document: Any) -> Any:
    """A copy. Without recursion, because a body may be nested as deeply as the parser goes."""
    copies = [document]
    waiting: list[tuple[Any, Any, Any]] = [(copies, 0, document)]
    while waiting:
        holder, place, value = waiting.pop()
        if isinstance(value, dict):
            holder[place] = copy = {key: _redacted_leaf(key, member) for key, member in value.items()}
            waiting += [(copy, key, member) for key, member in copy.items() if _holds_others(member)]
        elif isinstance(value, list):
            holder[place] = items = [_redacted_leaf("", item) for item in value]
            waiting += [(items, n, item) for n, item in enumerate(items) if _holds_others(item)]
        elif isinstance(value, str):
            holder[place] = _redacted_text(value)
    return copies[0]


def _redacted_text(value: str) -> str:
    if value.lstrip().startswith(("{", "[")) and _NESTED_SIGN.search(value):
        try:
            value = msgspec.json.encode(_redacted(msgspec.json.decode(value))).decode()
        except (ValueError, OverflowError, RecursionError):
            value = REDACTED
    return _JSON_WEB_TOKEN.sub(REDACTED, value) if "eyJ" in value else value


def _redacted_leaf(key: str, value: Any) -> Any:
    """Objects and lists under other keys stay as they are; their turn comes."""
    if value not in (None, "", False, True) and _names_secret(key):
        return REDACTED
    return _redacted_text(value) if isinstance(value, str) else value


def _holds_others(value: Any) -> bool:
    return isinstance(value, dict | list)


def _names_secret(key: str) -> bool:
    """Webhooks repeat the same few keys; longer ones than any of these are not worth the memory."""
    return _known(key) if len(key) <= _KEY_LENGTH_MAX else _is_secret_name(key)


def _is_secret_name(key: str) -> bool:
    return _SEPARATORS.sub("", key.lower()).endswith(_ENDINGS)


_known = functools.lru_cache(maxsize=_KEYS_MAX)(_is_secret_name)
