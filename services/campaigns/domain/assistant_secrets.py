"""No secret is kept in a configuration: credentials are stored at the provider, and named by their ids."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from libs.errors import FieldViolation

_SECRET_KEYS: Final = frozenset(
    {
        "secret", "serverurlsecret", "apikey", "api_key", "authtoken", "auth_token", "twilioauthtoken",
        "password", "token", "accesstoken", "access_token", "clientsecret", "client_secret",
        "authorization", "privatekey", "private_key",
    }
)  # fmt: skip
_SECRET_HEADER: Final = re.compile(r"authorization|cookie|secret|token|password|api-?key", re.IGNORECASE)
# JSON schemas: the names in them are names of fields, not secrets.
_SCHEMAS: Final = frozenset({"parameters", "schema", "properties"})


def secrets(place: str, value: Any, *, headers: bool = False) -> Iterator[FieldViolation]:
    """Each place in a configuration that holds one; `headers`: the value is an object of HTTP headers."""
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from secrets(f"{place}.{index}", inner)
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        secret = _SECRET_HEADER.search(key) if headers else key.lower() in _SECRET_KEYS
        if secret and inner:
            text = "secrets are not kept here: store a credential at the provider and name its id"
            yield FieldViolation(f"{place}.{key}", text)
        elif key not in _SCHEMAS:
            yield from secrets(f"{place}.{key}", inner, headers=key == "headers")
