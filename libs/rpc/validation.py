"""What a request must be before anybody looks at it: readable, without NUL, and as the rules in the protos
say."""

import json
from collections.abc import Callable
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from libs.errors import FieldViolation, InvalidArgument

# Compiles the rules of a message at its first use and keeps them.
_validator: Final = protovalidate.Validator()


_UNREADABLE: Final = object()


def tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """For grpc, which would tell the caller the exception: `check` refuses what comes of unreadable bytes."""

    def decoded(content: bytes) -> Any:
        try:
            return deserialize(content)
        except DecodeError:
            return _UNREADABLE

    return decoded


def check(request: Any) -> None:
    """Raises InvalidArgument with the path and the broken rule of each field."""
    if request is _UNREADABLE:
        raise InvalidArgument("The request is nested too deeply, or holds text that is not UTF-8.")
    found = [_violation(one) for one in _validator.collect_violations(request)]
    # PostgreSQL stores it neither in text nor in jsonb.
    found += [
        FieldViolation(field.name, "must not contain the character NUL")
        for field, value in request.ListFields()
        if _holds_nul(field, value)
    ]
    if found:
        raise InvalidArgument(violations=found)


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
