"""The requests that Vapi and Twilio accept: our condensed schemas, and the official ones where at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from deploy.sandbox.contracts.official import OfficialContract

PROBLEMS_MAX = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request, in the wording of Vapi's validation messages."""

    field: str
    rule: str
    message: str


class Contract:
    """The condensed contract of one provider."""

    def __init__(self, name: str) -> None:
        document = msgspec.json.decode((Path(__file__).parent / f"{name}.json").read_bytes())
        self.operations: dict[str, Any] = document["operations"]
        self.definitions: dict[str, Any] = document["$defs"]
        self._bodies = {
            operation: self._validator({"$ref": f"#/$defs/{rules['body']}"})
            for operation, rules in self.operations.items()
            if "body" in rules
        }
        self._queries = {
            operation: self._validator(
                {"type": "object", "properties": rules["query"], "additionalProperties": False}
            )
            for operation, rules in self.operations.items()
            if "query" in rules
        }

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        return jsonschema_rs.Draft202012Validator(
            {**schema, "$defs": self.definitions}, validate_formats=True
        )

    def body_problems(self, operation: str, body: Any) -> list[Problem]:
        return _problems(self._bodies[operation], body)

    def query_problems(self, operation: str, query: Mapping[str, str]) -> list[Problem]:
        return _problems(self._queries[operation], dict(query))


class Contracts:
    """Both providers, condensed and (where the files are at hand) official."""

    def __init__(self, openapi_dir: Path | None) -> None:
        self._condensed = {"vapi": Contract("vapi"), "twilio": Contract("twilio")}
        self._official: dict[str, OfficialContract] = {}
        files = {"vapi": "vapi/openapi.json", "twilio": "twilio/twilio_api_v2010.json"}
        for name, file in files.items():
            if openapi_dir and (openapi_dir / file).is_file():
                self._official[name] = OfficialContract.read(openapi_dir / file)

    @property
    def official_names(self) -> list[str]:
        return sorted(self._official)

    def body_problems(self, provider: str, operation: str, body: Any) -> list[Problem]:
        contract = self._condensed[provider]
        problems = contract.body_problems(operation, body)
        rules = contract.operations[operation]
        official = self._official.get(provider)
        if problems or official is None or "path" not in rules:
            return problems
        texts = official.body_problems(rules["method"], rules["path"], body)
        return [Problem("", "official", text) for text in texts[:PROBLEMS_MAX]]

    def query_problems(self, provider: str, operation: str, query: Mapping[str, str]) -> list[Problem]:
        contract = self._condensed[provider]
        problems = contract.query_problems(operation, query)
        rules = contract.operations[operation]
        official = self._official.get(provider)
        if problems or official is None:
            return problems
        texts = official.query_problems(rules["method"], rules["path"], query)
        return [Problem("", "official", text) for text in texts[:PROBLEMS_MAX]]


def _problems(validator: jsonschema_rs.Validator, instance: Any) -> list[Problem]:
    problems = []
    for error in validator.iter_errors(instance):
        problems.extend(_worded(error))
        if len(problems) >= PROBLEMS_MAX:
            break
    return problems


def _worded(error: jsonschema_rs.ValidationError) -> list[Problem]:
    path = ".".join(str(part) for part in error.instance_path)
    rule = error.kind.name
    details = error.kind.as_dict()
    if rule == "additionalProperties":
        prefix = f"{path}." if path else ""
        names = details["unexpected"]
        return [
            Problem(f"{prefix}{name}", rule, f"{prefix}property {name} should not exist") for name in names
        ]
    if rule == "required":
        name = ".".join(filter(None, (path, str(details["property"]))))
        return [Problem(name, rule, f"{name} should not be null or undefined")]
    wordings = {
        "maxLength": "must be shorter than or equal to {limit} characters",
        "minLength": "must be longer than or equal to {limit} characters",
        "maximum": "must not be greater than {limit}",
        "minimum": "must not be less than {limit}",
        "enum": "must be one of the following values: {options}",
        "format": "must be a valid {format}",
    }
    if rule in wordings:
        return [Problem(path, rule, f"{path} {wordings[rule].format_map(_texts(details))}")]
    return [Problem(path, rule, f"{path or 'body'}: {error.message[:300]}")]


def _texts(details: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in details.items()
    }
