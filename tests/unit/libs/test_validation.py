"""NUL is found wherever a request can hold text."""

from typing import Any

import pytest
from google.protobuf.message import Message

from callplane.campaigns.v2 import assistants_pb2, campaigns_pb2
from callplane.notify.v2 import messages_pb2
from libs.errors import InvalidArgument
from libs.rpc.convert import struct
from libs.rpc.validation import check, tolerant


def _assistant(config: dict[str, Any]) -> Message:
    return assistants_pb2.CreateAssistantRequest(name="a", config=struct(config))


@pytest.mark.parametrize(
    "request_",
    [
        assistants_pb2.CreateAssistantRequest(name="a\0"),
        _assistant({"a": "\0"}),
        _assistant({"a\0": 1}),
        _assistant({"a": [{"b": ["c", "d\0"]}]}),
        campaigns_pb2.CampaignStats(by_status={"a\0": 1}),
        messages_pb2.AlertPolicy(recipients=["a", "\0"]),
    ],
)
def test_nul_is_refused(request_: Message) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check(request_)

    assert ["must not contain the character NUL"] == [one.description for one in raised.value.violations]


def test_what_has_none_passes() -> None:
    for request in (
        _assistant({"a": [1, None, True, {"b": "c"}], "d": ""}),
        campaigns_pb2.ImportContactsRequest(chunk=b"\0"),
    ):
        before = request.SerializeToString()
        check(request)

        assert before == request.SerializeToString()


def test_what_is_nested_too_deeply_is_refused() -> None:
    request_ = assistants_pb2.CreateAssistantRequest(name="a")
    innermost = request_.config
    for _ in range(60):
        innermost = innermost.fields["a"].struct_value

    with pytest.raises(InvalidArgument):
        check(tolerant(assistants_pb2.CreateAssistantRequest.FromString)(request_.SerializeToString()))
