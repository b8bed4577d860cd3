"""The rules that the protos declare for their fields, enforced on every request."""

import json
from typing import Any, Final

import protovalidate
from google.protobuf.message import Message

from libs.errors import FieldViolation, InvalidArgument

# Compiles the rules of a message at its first use and keeps them.
_validator: Final = protovalidate.Validator()


def check(message: Message) -> None:
    """Raises InvalidArgument with the path and the broken rule of each field."""
    found = _validator.collect_violations(message)
    if found:
        raise InvalidArgument(violations=[_violation(one) for one in found])


def _violation(found: protovalidate.Violation) -> FieldViolation:
    elements = found.proto.field.elements if found.proto.field else []
    return FieldViolation(field=".".join(map(_element, elements)), description=found.proto.message)


def _element(element: Any) -> str:
    if element.subscript is None:
        return str(element.field_name)
    return f"{element.field_name}[{json.dumps(element.subscript.value)}]"
