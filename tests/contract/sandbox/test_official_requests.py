"""Our condensed contracts agree with the providers' own about what to accept and what to refuse."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.sandbox.contracts import Contract, Contracts
from deploy.sandbox.contracts.official import OfficialContract
from tests.contract.sandbox.driver import PROVIDERS

SERVER = {
    "url": "https://hooks.example.com/x",
    "timeoutSeconds": 20,
    "headers": {"X-A": "1"},
    "backoffPlan": {"type": "exponential", "maxRetries": 3, "baseDelaySeconds": 1, "excludedStatusCodes": []},
}
PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
TOOL = {
    "type": "function",
    "async": False,
    "server": SERVER,
    "function": {"name": "calculateQuote", "description": "d", "strict": False, "parameters": PARAMETERS},
}
ASSISTANT = {
    "name": "Assistant",
    "firstMessage": "Bonjour",
    "firstMessageMode": "assistant-speaks-first",
    "model": {
        "provider": "openai",
        "model": "gpt-4o",
        "temperature": 0.2,
        "maxTokens": 200,
        "messages": [{"role": "system", "content": "x"}],
        "tools": [TOOL, {"type": "endCall"}],
    },
    "voice": {"provider": "11labs", "voiceId": "burt"},
    "transcriber": {"provider": "deepgram", "model": "nova-2", "language": "fr"},
    "serverMessages": ["status-update", "end-of-call-report", "tool-calls", "transcript"],
    "maxDurationSeconds": 600,
    "endCallPhrases": ["au revoir"],
    "voicemailMessage": "x",
    "metadata": {"a": 1},
    "server": SERVER,
    "analysisPlan": {
        "summaryPlan": {"enabled": True, "timeoutSeconds": 10},
        "structuredDataPlan": {"enabled": True, "schema": {"type": "object"}},
        "successEvaluationPlan": {"rubric": "PassFail", "enabled": True},
    },
    "artifactPlan": {"recordingEnabled": True, "recordingFormat": "mp3"},
}
CALL = {
    "assistantId": "a",
    "phoneNumberId": "p",
    "name": "attempt",
    "customer": {
        "number": "+15142885071",
        "name": "n",
        "email": "e@example.com",
        "externalId": "x",
        "extension": "1",
    },
    "assistantOverrides": {"metadata": {"campaignId": "c"}, "variableValues": {"v": "1"}, "server": SERVER},
    "schedulePlan": {"earliestAt": "2026-01-01T00:00:00Z", "latestAt": "2026-01-02T00:00:00Z"},
}
BODIES = {
    "createAssistant": ASSISTANT,
    "updateAssistant": ASSISTANT,
    "createCall": CALL,
    "updateCall": {"name": "n"},
    "deleteCall": {"ids": ["a"]},
    "createPhoneNumber": {
        "provider": "twilio",
        "number": "+15148447210",
        "twilioAccountSid": "AC",
        "name": "n",
        "assistantId": "a",
        "server": SERVER,
    },
}
MESSAGE = {
    "To": "+15142885071",
    "From": "+15148447210",
    "Body": "x",
    "StatusCallback": "https://hooks.example.com/x",
    "ValidityPeriod": "600",
    "MaxPrice": "0.1",
    "SmartEncoded": "true",
    "MessagingServiceSid": "MG" + "0" * 32,
    "ScheduleType": "fixed",
    "SendAt": "2026-01-01T00:00:00Z",
    "RiskCheck": "disable",
}
# Texts that name a vendor's model or language: the official file lists hundreds, ours takes any.
OPEN_TEXTS = {("model", "model"), ("transcriber", "language")}
JUNK: list[Any] = [None, 7, -1, 1e9, "", "x" * 2000, [], [7], {}, {"type": 7}, True]


def mutations(body: Any) -> Iterator[tuple[str, Any]]:
    """The body with one value replaced by junk, or one field left out; once for each place and junk."""
    for path in paths(body):
        for junk in JUNK:
            if path in OPEN_TEXTS and isinstance(junk, str):
                continue
            yield f"{path} = {str(junk)[:20]}", replaced(body, path, junk)
        if isinstance(path[-1], str):
            yield f"no {path}", removed(body, path)


def paths(body: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield (*prefix, key)
        yield from paths(value, (*prefix, key))


def replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    parent_of(changed, path)[path[-1]] = value
    return changed


def removed(body: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(body)
    del parent_of(changed, path)[path[-1]]
    return changed


def parent_of(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body


@pytest.mark.parametrize("operation", list(BODIES))
def test_valid_bodies_are_valid_by_both(official_vapi: OfficialContract, operation: str) -> None:
    contract = Contract("vapi")
    rules = contract.operations[operation]

    assert [] == contract.body_problems(operation, BODIES[operation])
    assert [] == official_vapi.body_problems(rules["method"], rules["path"], BODIES[operation])


@pytest.mark.parametrize("operation", sorted(BODIES.keys() - {"updateAssistant"}))
def test_one_thing_changed_is_judged_alike(official_vapi: OfficialContract, operation: str) -> None:
    contract = Contract("vapi")
    rules = contract.operations[operation]
    differing = []
    refused = 0
    for name, body in mutations(BODIES[operation]):
        ours = contract.body_problems(operation, body)
        theirs = official_vapi.body_problems(rules["method"], rules["path"], body)
        refused += bool(theirs)
        # Unknown fields are refused by the real API, though its specification does not say so.
        real = [p for p in ours if p.rule != "additionalProperties"]
        if bool(real) != bool(theirs):
            differing.append((name, [p.message for p in real], theirs[:1]))

    assert [] == differing
    assert refused > 0


def test_messages_are_judged_alike(official_twilio: OfficialContract) -> None:
    contract = Contract("twilio")
    rules = contract.operations["createMessage"]
    texts = [
        "",
        "x",
        "-1",
        "7",
        "1.5",
        "true",
        "2026-01-01T00:00:00Z",
        "https://x.example",
        "fixed",
        "retain",
    ]
    differing = []
    for field in MESSAGE:
        for text in texts:
            form = {**MESSAGE, field: text}
            ours = [
                p for p in contract.body_problems("createMessage", form) if p.rule != "additionalProperties"
            ]
            theirs = official_twilio.body_problems(rules["method"], rules["path"], form)
            if bool(ours) != bool(theirs):
                differing.append((field, text, [p.message for p in ours], theirs))

    assert [] == contract.body_problems("createMessage", MESSAGE)
    assert [] == official_twilio.body_problems(rules["method"], rules["path"], MESSAGE)
    assert [] == differing
    without_to = {name: text for name, text in MESSAGE.items() if name != "To"}
    assert contract.body_problems("createMessage", without_to)
    assert official_twilio.body_problems(rules["method"], rules["path"], without_to)


def test_queries_are_judged_alike(official_vapi: OfficialContract, official_twilio: OfficialContract) -> None:
    day = "2026-01-01T00:00:00Z"
    queries = {
        "vapi": [
            {"limit": "1"},
            {"limit": "1000"},
            {"limit": "1001"},
            {"createdAtGe": day},
            {"createdAtGe": "x"},
        ],
        "twilio": [
            {"To": "+1"},
            {"PageSize": "1000"},
            {"PageSize": "1001"},
            {"PageSize": "0"},
            {"Page": "x"},
        ],
    }
    officials = {"vapi": official_vapi, "twilio": official_twilio}
    for provider, tried in queries.items():
        contract = Contract(provider)
        for operation, rules in contract.operations.items():
            for query in tried if rules.get("query") else []:
                ours = contract.query_problems(operation, query)
                theirs = officials[provider].query_problems(rules["method"], rules["path"], query)
                assert bool(theirs) == bool(ours), (operation, query, ours, theirs)


def test_the_condensed_contract_knows_every_field(official_vapi: OfficialContract) -> None:
    names = {
        "CreateAssistant": "CreateAssistantDTO",
        "AssistantOverrides": "AssistantOverrides",
        "CreateCall": "CreateCallDTO",
        "Customer": "CreateCustomerDTO",
        "Server": "Server",
    }
    definitions = Contract("vapi").definitions
    for ours, theirs in names.items():
        known = set(definitions[ours]["properties"])
        assert known - {"metadata"} == set(official_vapi.fields_of(theirs)) - {"metadata"}


@pytest.mark.usefixtures("official_vapi", "official_twilio")
def test_the_official_files_are_enforced_where_they_are_at_hand() -> None:
    both, ours_only = Contracts(PROVIDERS), Contracts(None)
    unknown_model = replaced(ASSISTANT, ("model", "model"), "no-such-model")

    assert (["twilio", "vapi"], []) == (both.official_names, ours_only.official_names)
    assert [] == ours_only.body_problems("vapi", "createAssistant", unknown_model)
    assert ["official"] == [p.rule for p in both.body_problems("vapi", "createAssistant", unknown_model)]
    assert [] == both.body_problems("vapi", "createCall", CALL)
    assert [] == both.body_problems("twilio", "createMessage", MESSAGE)
    assert [] == both.query_problems("vapi", "listCalls", {"limit": "5"})
