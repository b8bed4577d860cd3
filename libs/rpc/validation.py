"""What a request must be before anybody looks at it: readable, without NUL, and as the rules in the protos
say."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from libs.errors import FieldViolation, InvalidArgument

# Compiles the rules of a message at its first use and keeps them.
_validator: Final = protovalidate.Validator()


_UNREADABLE: Final = object()


@dataclass(frozen=True, slots=True)
class _WithoutNul:
    """A message in whose bytes there is no zero, so that no text in it holds the character."""

    message: Any


def tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """For grpc, which would tell the caller the exception: `check` refuses what comes of unreadable bytes."""

    def decoded(content: bytes) -> Any:
        try:
            message = deserialize(content)
        except DecodeError:
            return _UNREADABLE
        # One look at the bytes spares nearly every message the look at each of its texts.
        return message if b"\0" in content else _WithoutNul(message)

    return decoded


def check(request: Any) -> Any:
    """The message, which may come from `tolerant`. Raises InvalidArgument with the path and broken rule of
    each field."""
    if request is _UNREADABLE:
        raise InvalidArgument("The request is nested too deeply, or holds text that is not UTF-8.")
    without_nul = isinstance(request, _WithoutNul)
    message = request.message if without_nul else request
    found = [_violation(one) for one in _validator.collect_violations(message)]
    if not without_nul:
        found += _nul_violations(message)
    if found:
        raise InvalidArgument(violations=found)
    return message


def _nul_violations(message: Message) -> list[FieldViolation]:
    """PostgreSQL stores it neither in text nor in jsonb."""
    return [
        FieldViolation(field.name, "must not contain the character NUL")
        for field, value in message.ListFields()
        if _holds_nul(field, value)
    ]


def _holds_nul(field: FieldDescriptor, value: Any) -> bool:
    if not field.is_repeated:
        return _one_holds_nul(field, value)
    if field.message_type is None or not field.message_type.GetOptions().map_entry:
        return any(_one_holds_nul(field, one) for one in value)
    key, member = field.message_type.fields
    return any(_one_holds_nul(key, k) or _one_holds_nul(member, value[k]) for k in value)


def _one_holds_nul(field: FieldDescriptor, value: Any) -> bool:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return any(_holds_nul(inner, part) for inner, part in value.ListFields())
    return field.type == FieldDescriptor.TYPE_STRING and "\0" in value


def _violation(found: protovalidate.Violation) -> FieldViolation:
    elements = found.proto.field.elements if found.proto.field else []
    return FieldViolation(field=".".join(map(_element, elements)), description=found.proto.message)


def _element(element: Any) -> str:
    if element.subscript is None:
        return str(element.field_name)
    return f"{element.field_name}[{json.dumps(element.subscript.value)}]"
