"""Which parts of an assistant's configuration leave the service, in either direction."""

from libs.environment import Secret
from services.calls.vapi.assistants import outgoing, provider_assistant, server

CONFIG = {
    "firstMessage": "Bonjour",
    "server": {"url": "https://theirs.example", "secret": "s3cret"},
    "serverUrlSecret": "s3cret",
    "voice": {"provider": "custom-voice", "server": {"headers": {"X-Key": "s3cret"}, "url": "https://v"}},
    "model": {
        "tools": [
            {
                "server": {"url": "https://t", "secret": "s3cret"},
                "function": {"name": "f", "parameters": {"properties": {"token": {"type": "string"}}}},
            }
        ],
        "apiKey": "s3cret",
    },
}


def test_what_comes_back_holds_no_secret_and_keeps_the_fields_that_are_only_named_so() -> None:
    read = provider_assistant({**CONFIG, "id": "a", "name": "n", "updatedAt": "2026-11-01T10:00:00.000Z"})

    assert read is not None
    assert "s3cret" not in repr(read.config)
    assert not {"id", "name", "server", "serverUrlSecret"} & set(read.config)
    tool = read.config["model"]["tools"][0]
    assert tool["function"]["parameters"] == {"properties": {"token": {"type": "string"}}}
    assert read.updated_at is not None


def test_what_goes_out_has_our_server_and_never_theirs() -> None:
    ours = server(url="https://ours.example/hook", credential_id="cred-1", secret=Secret("x"))

    sent = outgoing(CONFIG, name="n", server=ours)

    assert sent["server"]["url"] == "https://ours.example/hook"
    assert sent["server"]["credentialId"] == "cred-1"
    assert "headers" not in sent["server"]
    assert "serverUrlSecret" not in sent
    assert {"tool-calls", "transcript", "end-of-call-report"} <= set(sent["serverMessages"])


def test_anything_that_is_no_assistant_is_none() -> None:
    shapeless: list[object] = [None, [], {}, {"id": 7}, "text"]
    for document in shapeless:
        assert provider_assistant(document) is None
