"""The public API as its descriptors declare it: every REST route, and every method that has none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor

from callplane.options.v1 import options_pb2
from deploy.envoy.config import DESCRIPTOR_SET

_FILES = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes()).file
_POOL = descriptor_pool.DescriptorPool()
for _file in _FILES:
    _POOL.Add(_file)
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """`verb` and `path` as in HTTP, `path` with `{id}` in it; `scope` is what a key needs."""

    verb: str
    path: str
    scope: str
    input_type: str = ""
    body: str = ""
    output_type: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    @property
    def collection(self) -> str:
        """`calls` of /v2/calls/{id}/events."""
        return re.split(r"[/:]", self.path)[2]

    @property
    def is_list(self) -> bool:
        return self.verb == "GET" and not self.parameters and "page_token" in self.fields

    @property
    def fields(self) -> dict[str, FieldDescriptor]:
        """Of the body, if the route has one, else of the query."""
        if not self.input_type:
            return {}
        fields = _POOL.FindMessageTypeByName(self.input_type).fields_by_name
        inner = fields[self.body].message_type if self.body in fields else None
        named = inner.fields_by_name if inner else fields
        return {name: field for name, field in named.items() if name not in self.parameters}

    @property
    def items(self) -> str:
        """What a list calls its things, as JSON has it."""
        fields = _POOL.FindMessageTypeByName(self.output_type).fields
        return str(next(field.json_name for field in fields if field.is_repeated))

    def filled(self, value: str) -> str:
        return _PARAMETER.sub(value, self.path)


# What the gateway serves beside the transcoded methods.
FILE_ROUTES = (
    Route("POST", "/v2/campaigns/{id}/contacts:import", "campaigns:write"),
    Route("GET", "/v2/campaigns/{id}/export.csv", "campaigns:read"),
)


def _methods() -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto]]:
    for file in _FILES:
        for service in file.service if file.package.startswith("callplane.") else ():
            for method in service.method:
                yield f"/{file.package}.{service.name}/{method.name}", method


def rest_routes() -> list[Route]:
    routes = []
    for _, method in _methods():
        rule = method.options.Extensions[annotations_pb2.http]
        for one in (rule, *rule.additional_bindings):
            verb = one.WhichOneof("pattern")
            if verb:
                scope = method.options.Extensions[options_pb2.required_scope]
                input_type = method.input_type.removeprefix(".")
                output_type = method.output_type.removeprefix(".")
                path = getattr(one, verb)
                routes.append(Route(verb.upper(), path, scope, input_type, one.body, output_type))
    return routes


def internal_methods() -> list[str]:
    """`/package.Service/Method` of those that no key opens."""
    return [
        path
        for path, method in _methods()
        if method.options.Extensions[options_pb2.required_scope] == "internal"
    ]
