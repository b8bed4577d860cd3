"""JSON Schemas of messages, by the rules of proto3 JSON."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from buf.validate import validate_pb2
from services.gateway.http.openapi.descriptors import Descriptors, Enum, Message, camel

Schema = dict[str, Any]

_F = FieldDescriptorProto

_SCALARS: Final[Mapping[int, Schema]] = {
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_INT32: {"type": "integer", "format": "int32"},
    _F.TYPE_SINT32: {"type": "integer", "format": "int32"},
    _F.TYPE_SFIXED32: {"type": "integer", "format": "int32"},
    _F.TYPE_UINT32: {"type": "integer", "minimum": 0},
    _F.TYPE_FIXED32: {"type": "integer", "minimum": 0},
    # 64 bits do not fit into the numbers of JSON.
    _F.TYPE_INT64: {"type": "string", "format": "int64"},
    _F.TYPE_SINT64: {"type": "string", "format": "int64"},
    _F.TYPE_SFIXED64: {"type": "string", "format": "int64"},
    _F.TYPE_UINT64: {"type": "string", "format": "uint64"},
    _F.TYPE_FIXED64: {"type": "string", "format": "uint64"},
    _F.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _F.TYPE_FLOAT: {"type": "number", "format": "float"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}

_WELL_KNOWN: Final[Mapping[str, Schema]] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$"},
    ".google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    ".google.protobuf.Value": {},
    ".google.protobuf.ListValue": {"type": "array", "items": {}},
    ".google.protobuf.Empty": {"type": "object"},
    ".google.protobuf.FieldMask": {"type": "string"},
    ".google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}


class Schemas:
    """Hands out schemas and gathers in `components` those they refer to."""

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self.components: dict[str, Schema] = {}

    def reference(self, full_name: str) -> Schema:
        if full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[full_name])
        name = _component_name(full_name)
        if name not in self.components:
            # Put there first: a message may refer to itself.
            self.components[name] = {}
            self.components[name] = self._component(full_name)
        return {"$ref": f"#/components/schemas/{name}"}

    def properties(self, full_name: str, *, leave_out: frozenset[str] = frozenset()) -> Schema:
        """An object with the message's fields but for those named."""
        return self._object(self._descriptors.messages[full_name], leave_out)

    def field(self, field: FieldDescriptorProto, *, comment: str = "") -> Schema:
        if field.label == _F.LABEL_REPEATED:
            entry = self._map_entry(field)
            if entry is not None:
                schema: Schema = {
                    "type": "object",
                    "additionalProperties": self._single(entry.proto.field[1]),
                }
            else:
                schema = {"type": "array", "items": self._single(field)}
        else:
            schema = self._single(field)
        schema = {**schema, **_limits(field)}
        return {**schema, "description": comment} if comment else schema

    def _component(self, full_name: str) -> Schema:
        enum = self._descriptors.enums.get(full_name)
        return _enum(enum) if enum else self._object(self._descriptors.messages[full_name], frozenset())

    def _object(self, message: Message, leave_out: frozenset[str]) -> Schema:
        fields = [field for field in message.proto.field if field.name not in leave_out]
        schema: Schema = {
            "type": "object",
            "properties": {
                field.json_name or camel(field.name): self.field(
                    field, comment=message.field_comments[field.name]
                )
                for field in fields
            },
        }
        required = [field.json_name or camel(field.name) for field in fields if _is_required(field)]
        if required:
            schema["required"] = required
        if message.comment:
            schema["description"] = message.comment
        return schema

    def _single(self, field: FieldDescriptorProto) -> Schema:
        if field.type in (_F.TYPE_MESSAGE, _F.TYPE_ENUM):
            return self.reference(field.type_name)
        return dict(_SCALARS[field.type])

    def _map_entry(self, field: FieldDescriptorProto) -> Message | None:
        message = self._descriptors.messages.get(field.type_name)
        return message if message is not None and message.proto.options.map_entry else None


def _component_name(full_name: str) -> str:
    """`.callplane.calls.v2.Call.Status` is `calls.Call.Status`; names repeat over packages."""
    parts = full_name.lstrip(".").split(".")
    return ".".join(part for part in parts if part not in ("callplane", "v2"))


def _enum(enum: Enum) -> Schema:
    names = [
        value.name
        for value in enum.proto.value
        if value.number != 0 or not value.name.endswith("UNSPECIFIED")
    ]
    return {"type": "string", "enum": names, **({"description": enum.comment} if enum.comment else {})}


def _rules(field: FieldDescriptorProto) -> validate_pb2.FieldRules:
    return field.options.Extensions[validate_pb2.field]


def _is_required(field: FieldDescriptorProto) -> bool:
    rules = _rules(field)
    if field.proto3_optional:
        return False
    return rules.required or rules.string.min_len > 0 or rules.string.uuid or rules.repeated.min_items > 0


def _limits(field: FieldDescriptorProto) -> Schema:
    """What of the validation rules JSON Schema can say."""
    rules = _rules(field)
    kind = rules.WhichOneof("type")
    find = _LIMITS.get(kind or "")
    return find(rules) if find else {}


def _string_limits(rules: validate_pb2.FieldRules) -> Schema:
    of = rules.string
    limits: Schema = {}
    if of.min_len:
        limits["minLength"] = of.min_len
    if of.max_len:
        limits["maxLength"] = of.max_len
    if of.pattern:
        limits["pattern"] = of.pattern
    if of.uuid:
        limits["format"] = "uuid"
    if "in" in {descriptor.name for descriptor, _ in of.ListFields()}:
        limits["enum"] = list(getattr(of, "in"))
    return limits


def _number_limits(name: str) -> Callable[[validate_pb2.FieldRules], Schema]:
    def limits(rules: validate_pb2.FieldRules) -> Schema:
        of = getattr(rules, name)
        words = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
        return {words[each.name]: value for each, value in of.ListFields() if each.name in words}

    return limits


def _repeated_limits(rules: validate_pb2.FieldRules) -> Schema:
    of = rules.repeated
    limits: Schema = {}
    if of.min_items:
        limits["minItems"] = of.min_items
    if of.max_items:
        limits["maxItems"] = of.max_items
    if of.unique:
        limits["uniqueItems"] = True
    return limits


_LIMITS: Final[Mapping[str, Callable[[validate_pb2.FieldRules], Schema]]] = {
    "string": _string_limits,
    "repeated": _repeated_limits,
    **{name: _number_limits(name) for name in ("int32", "double", "float", "uint32")},
}
