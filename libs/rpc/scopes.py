"""Which scope each method wants, as declared beside it in its proto."""

from collections.abc import Iterable, Mapping

from google.protobuf import descriptor_pool

from callplane.options.v1 import options_pb2
from libs.errors import Kind, ServiceError


class MissingScope(ServiceError):
    """The credential does not allow this."""

    kind = Kind.FORBIDDEN
    reason = "MISSING_SCOPE"


class ScopeNotDeclared(ServiceError):
    """Nobody may call this method."""

    kind = Kind.FORBIDDEN
    reason = "SCOPE_NOT_DECLARED"


def declared(services: Iterable[str]) -> Mapping[str, str]:
    """Full method name (`/package.Service/Method`) to scope; methods that declare none are left out."""
    pool = descriptor_pool.Default()
    scopes: dict[str, str] = {}
    for service in services:
        descriptor = pool.FindServiceByName(service)
        for method in descriptor.methods:
            scope = method.GetOptions().Extensions[options_pb2.required_scope]
            if scope:
                scopes[f"/{service}/{method.name}"] = scope
    return scopes
