"""The OpenAPI 3.1 document of /v2."""

import re
from typing import Any, Final

from services.gateway.http.openapi.descriptors import Descriptors, Operation, camel
from services.gateway.http.openapi.files import FILE_PATHS
from services.gateway.http.openapi.schemas import Schema, Schemas

_DESCRIPTION: Final = (
    "The control plane for AI phone calls. Send an API key as `Authorization: Bearer vx_...` or `X-Api-Key`. "
    "Lists take `pageSize` (50, at most 500) and `pageToken`; the answer's `nextPageToken` is empty on the "
    "last page. "
    "Fields that are empty, zero or false may be left out of answers."
)

_ERROR: Final[Schema] = {
    "type": "object",
    "description": "Every refusal looks like this; `details` holds an ErrorInfo with a stable `reason`.",
    "properties": {
        "code": {"type": "integer", "description": "The gRPC code."},
        "message": {"type": "string", "description": "For people; may change."},
        "details": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "@type": {"type": "string"},
                    "reason": {"type": "string"},
                    "domain": {"type": "string"},
                    "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "additionalProperties": True,
            },
        },
    },
}

# What is streamed as it is, and has no schema of ours.
_DOCUMENT: Final = ".google.api.HttpBody"

_REFUSALS: Final = {
    "400": "A field breaks a rule, or the thing is not in a state that allows this.",
    "401": "No valid API key.",
    "403": "The key lacks the scope.",
    "404": "There is no such thing in the key's organization.",
    "409": "It exists already, or somebody else was faster.",
    "429": "A limit is reached; `Retry-After` says when to come back.",
    "503": "Not available at the moment; `Retry-After` says when to come back.",
}


def document(descriptors: Descriptors, *, server_url: str) -> dict[str, Any]:
    schemas = Schemas(descriptors)
    schemas.components["Error"] = _ERROR
    paths: dict[str, dict[str, Any]] = {}
    for operation in sorted(descriptors.operations, key=lambda one: one.path):
        paths.setdefault(operation.path, {})[operation.verb.lower()] = _operation(
            operation, descriptors, schemas
        )
    for path, item in FILE_PATHS.items():
        paths.setdefault(path, {}).update(_with_refusals(item))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Callplane",
            "version": "2",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server_url}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "tags": _tags(descriptors),
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "responses": {code: _refusal(text) for code, text in _REFUSALS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "vx_..."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _operation(operation: Operation, descriptors: Descriptors, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{operation.service}.{operation.name}",
        "tags": [operation.service],
        "summary": _words(operation.name),
        "description": "\n\n".join(filter(None, [operation.comment, f"Scope: `{operation.scope}`."])),
        "x-required-scope": operation.scope,
        "parameters": _parameters(operation, descriptors, schemas),
        "responses": {"200": _answer(operation, schemas), **_refusals()},
    }
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": _json(_body(operation, descriptors, schemas)),
        }
    return described


def _parameters(operation: Operation, descriptors: Descriptors, schemas: Schemas) -> list[dict[str, Any]]:
    message = descriptors.messages[operation.request_type]
    in_path = set(operation.path_fields)
    parameters = []
    for field in message.proto.field:
        place = "path" if field.name in in_path else "query"
        if place == "query" and (operation.body in ("*", field.name)):
            continue
        comment = message.field_comments[field.name]
        parameters.append(
            {
                "name": field.json_name or camel(field.name),
                "in": place,
                **({"required": True} if place == "path" else {}),
                "schema": schemas.field(field),
                **({"description": comment} if comment else {}),
            }
        )
    return parameters


def _body(operation: Operation, descriptors: Descriptors, schemas: Schemas) -> Schema:
    in_path = frozenset(operation.path_fields)
    if operation.body != "*":
        message = descriptors.messages[operation.request_type]
        return schemas.field(next(field for field in message.proto.field if field.name == operation.body))
    if in_path:
        return schemas.properties(operation.request_type, leave_out=in_path)
    return schemas.reference(operation.request_type)


def _answer(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    if operation.response_type == _DOCUMENT:
        return {"description": "The document.", "content": _json({"type": "object"})}
    schema = schemas.reference(operation.response_type)
    if operation.server_streaming:
        told = "Server-sent events; the `data` of each is one of these."
        return {"description": told, "content": {"text/event-stream": {"schema": schema}}}
    return {"description": "Done.", "content": _json(schema)}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": _json({"$ref": "#/components/schemas/Error"})}


def _refusals() -> dict[str, Any]:
    return {code: {"$ref": f"#/components/responses/{code}"} for code in _REFUSALS}


def _with_refusals(item: dict[str, Any]) -> dict[str, Any]:
    return {
        verb: {**operation, "responses": {**operation["responses"], **_refusals()}}
        for verb, operation in item.items()
    }


def _tags(descriptors: Descriptors) -> list[dict[str, str]]:
    used = dict.fromkeys(operation.service for operation in descriptors.operations)
    return [{"name": name, "description": descriptors.service_comments.get(name, "")} for name in used]


def _words(name: str) -> str:
    """`PlaceCall` is `Place call`."""
    words = re.findall(r"[A-Z][a-z0-9]*", name)
    return " ".join([words[0], *(word.lower() for word in words[1:])]) if words else name
