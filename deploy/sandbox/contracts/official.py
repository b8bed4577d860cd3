"""Checks against a provider's own OpenAPI file, with the defects of those files straightened first.

Defects met: `oneOf` over schemas that overlap, `enum` given to an array in place of its items, an `object`
that is an enum of strings, regular expressions written between slashes, and status codes that are objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class OfficialContract:
    def __init__(self, document: dict[str, Any]) -> None:
        schemas = straightened(document["components"]["schemas"])
        if "BackoffPlan" in schemas:
            schemas["BackoffPlan"]["properties"]["excludedStatusCodes"]["items"] = {}
        self._components = {"schemas": schemas}
        self._paths: dict[str, Any] = document["paths"]
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    @classmethod
    def read(cls, file: Path) -> OfficialContract:
        return cls(msgspec.json.decode(file.read_bytes()))

    def body_problems(self, method: str, path: str, body: Any) -> list[str]:
        content = self._paths[path][method].get("requestBody", {}).get("content", {})
        if _JSON in content:
            return self.problems(f"{method} {path}", content[_JSON]["schema"], body)
        if _FORM not in content:
            return []
        schema = straightened(content[_FORM]["schema"])
        return self.problems(f"{method} {path}", schema, _typed(body, schema["properties"]))

    def query_problems(self, method: str, path: str, query: Mapping[str, str]) -> list[str]:
        parameters = [p for p in self._paths[path][method].get("parameters", []) if p["in"] == "query"]
        properties = {p["name"]: straightened(p["schema"]) for p in parameters}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return self.problems(f"query {method} {path}", schema, _typed(query, properties))

    def response_problems(self, method: str, path: str, status: int, body: Any) -> list[str]:
        content = self._paths[path][method]["responses"][str(status)]["content"][_JSON]
        return self.problems(f"{status} {method} {path}", content["schema"], body)

    def schema_problems(self, name: str, instance: Any) -> list[str]:
        return self.problems(name, {"$ref": f"#/components/schemas/{name}"}, instance)

    def fields_of(self, name: str) -> list[str]:
        return list(self._components["schemas"][name]["properties"])

    def problems(self, key: str, schema: Any, instance: Any) -> list[str]:
        """What is wrong with `instance`; the validator is compiled once for `key`."""
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                {"allOf": [straightened(schema)], "components": self._components}, validate_formats=True
            )
        return [
            f"{'.'.join(map(str, error.instance_path)) or 'body'}: {error.message[:300]}"
            for error in self._validators[key].iter_errors(instance)
        ]


def straightened(node: Any) -> Any:
    """An OpenAPI 3.0 schema as JSON Schema, without the defects named above."""
    if isinstance(node, list):
        return [straightened(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {
        name: straightened(value)
        for name, value in node.items()
        if name not in ("description", "example", "examples", "discriminator", "title")
        or (name == "title" and isinstance(value, dict))
        or (name in ("description", "example") and isinstance(value, dict) and "type" in value)
    }
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
    return _nullable(_without_defects(schema))


def _without_defects(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "array" and "enum" in schema:
        del schema["enum"]
    options = schema.get("enum")
    if (
        schema.get("type") == "object"
        and isinstance(options, list)
        and all(isinstance(o, str) for o in options)
    ):
        del schema["type"]
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and len(pattern) > 1 and pattern[0] == "/" == pattern[-1]:
        schema["pattern"] = pattern[1:-1]
    return schema


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.pop("nullable", False) is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _typed(values: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Form or query text read as the type its schema wants; what cannot be read stays text, and so fails."""
    return {name: _read(text, properties.get(name, {}).get("type")) for name, text in values.items()}


def _read(text: Any, wanted: Any) -> Any:
    if wanted == "boolean" and text in ("true", "false", "True", "False"):
        return text.lower() == "true"
    if wanted == "array" and isinstance(text, str):
        return [text]
    if wanted in ("integer", "number"):
        try:
            return int(text) if wanted == "integer" else float(text)
        except ValueError:
            return text
    return text
