"""Reads the descriptor set that the protos were compiled to: the public RPCs with their routes, scopes and
comments."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

import callplane
from buf.validate import validate_pb2 as _validate  # noqa: F401  its options are read by those who hold a field
from callplane.options.v1 import options_pb2

_PACKAGE: Final = "callplane."
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_NESTED_MESSAGES, _NESTED_ENUMS, _FIELDS, _METHODS, _VALUES = 3, 4, 2, 2, 2
_VARIABLE: Final = re.compile(r"\{([a-z_][a-z0-9_.]*)(?:=[^}]*)?\}")

Path_ = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One public RPC at one route. `template` is in the form of google.api.http: `/v2/calls/{id}:cancel`."""

    service: str
    name: str
    verb: str
    template: str
    # The request field that is the body; `*` is all that the path leaves, empty means no body.
    body: str
    scope: str
    request_type: str
    response_type: str
    server_streaming: bool
    comment: str

    @property
    def path_fields(self) -> list[str]:
        return _VARIABLE.findall(self.template)

    @property
    def path(self) -> str:
        """As OpenAPI writes it, with the names of proto3 JSON."""
        return _VARIABLE.sub(lambda found: "{" + camel(found[1]) + "}", self.template)


@dataclass(frozen=True, slots=True)
class Message:
    full_name: str
    proto: DescriptorProto
    comment: str
    field_comments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Enum:
    full_name: str
    proto: EnumDescriptorProto
    comment: str


class Descriptors:
    def __init__(self, files: FileDescriptorSet) -> None:
        self._files = files

    @classmethod
    def load(cls) -> "Descriptors":
        """The set that was generated together with the code that is running."""
        path = Path(callplane.__path__[0]).parent / "callplane.binpb"
        return cls(FileDescriptorSet.FromString(path.read_bytes()))

    @cached_property
    def operations(self) -> Sequence[Operation]:
        return [operation for file in self._own_files() for operation in _operations(file)]

    @cached_property
    def internal_methods(self) -> frozenset[str]:
        """`/package.Service/Method` of all RPCs that are for our own services only."""
        return frozenset(
            f"/{file.package}.{service.name}/{method.name}"
            for file in self._own_files()
            for service in file.service
            for method in service.method
            if method.options.Extensions[options_pb2.required_scope] == "internal"
        )

    @cached_property
    def service_comments(self) -> Mapping[str, str]:
        return {
            service.name: _comments(file).get((_SERVICES, index), "")
            for file in self._own_files()
            for index, service in enumerate(file.service)
        }

    @cached_property
    def messages(self) -> Mapping[str, Message]:
        """By full name with a leading dot, as fields refer to them."""
        return {message.full_name: message for file in self._files.file for message in _messages(file)}

    @cached_property
    def enums(self) -> Mapping[str, Enum]:
        return {enum.full_name: enum for file in self._files.file for enum in _enums(file)}

    def _own_files(self) -> Iterator[FileDescriptorProto]:
        return (file for file in self._files.file if file.package.startswith(_PACKAGE))


def camel(name: str) -> str:
    """The proto3 JSON name of a field."""
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _operations(file: FileDescriptorProto) -> Iterator[Operation]:
    comments = _comments(file)
    for service_index, service in enumerate(file.service):
        for method_index, method in enumerate(service.method):
            rule = method.options.Extensions[annotations_pb2.http]
            comment = comments.get((_SERVICES, service_index, _METHODS, method_index), "")
            for one in (rule, *rule.additional_bindings):
                if one.WhichOneof("pattern"):
                    yield _operation(service.name, method, one, comment=comment)


def _operation(
    service: str, method: MethodDescriptorProto, rule: http_pb2.HttpRule, *, comment: str
) -> Operation:
    pattern = rule.WhichOneof("pattern") or ""
    custom = pattern == "custom"
    return Operation(
        service=service,
        name=method.name,
        verb=rule.custom.kind.upper() if custom else pattern.upper(),
        template=rule.custom.path if custom else str(getattr(rule, pattern)),
        body=rule.body,
        scope=method.options.Extensions[options_pb2.required_scope],
        request_type=method.input_type,
        response_type=method.output_type,
        server_streaming=method.server_streaming,
        comment=comment,
    )


def _comments(file: FileDescriptorProto) -> Mapping[Path_, str]:
    """Leading comments by the place they describe, with the lines of a paragraph joined."""
    return {
        tuple(location.path): _unwrapped(location.leading_comments)
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _unwrapped(comment: str) -> str:
    paragraphs = "\n".join(line.strip() for line in comment.strip().splitlines()).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _messages(file: FileDescriptorProto) -> Iterator[Message]:
    comments = _comments(file)

    def walk(message: DescriptorProto, prefix: str, path: Path_) -> Iterator[Message]:
        full_name = f"{prefix}.{message.name}"
        field_comments = {
            field.name: comments.get((*path, _FIELDS, index), "") for index, field in enumerate(message.field)
        }
        yield Message(full_name, message, comments.get(path, ""), field_comments)
        for index, nested in enumerate(message.nested_type):
            yield from walk(nested, full_name, (*path, _NESTED_MESSAGES, index))

    for index, message in enumerate(file.message_type):
        yield from walk(message, f".{file.package}", (_MESSAGES, index))


def _enums(file: FileDescriptorProto) -> Iterator[Enum]:
    comments = _comments(file)

    def described(enum: EnumDescriptorProto, prefix: str, path: Path_) -> Enum:
        told = [
            f"`{value.name}`: {comments[*path, _VALUES, index]}"
            for index, value in enumerate(enum.value)
            if (*path, _VALUES, index) in comments
        ]
        return Enum(f"{prefix}.{enum.name}", enum, "\n".join([comments.get(path, ""), *told]).strip())

    def walk(message: DescriptorProto, prefix: str, path: Path_) -> Iterator[Enum]:
        full_name = f"{prefix}.{message.name}"
        for index, enum in enumerate(message.enum_type):
            yield described(enum, full_name, (*path, _NESTED_ENUMS, index))
        for index, nested in enumerate(message.nested_type):
            yield from walk(nested, full_name, (*path, _NESTED_MESSAGES, index))

    for index, enum in enumerate(file.enum_type):
        yield described(enum, f".{file.package}", (_ENUMS, index))
    for index, message in enumerate(file.message_type):
        yield from walk(message, f".{file.package}", (_MESSAGES, index))
