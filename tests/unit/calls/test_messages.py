"""Reading webhooks, and the conversations in them."""

import time
from collections.abc import Callable

import pytest

from services.calls.domain.messages import Message, Unreadable, moment, read, read_told, whole
from services.calls.domain.telling import facts_told, status_told
from services.calls.domain.transcript import telling_of
from tests.support.bad_bodies import STRUCTURES, TEXTS, about
from tests.support.vapi_messages import NASTY, message, report, said, transcript, whole_call


def read_message(body: bytes) -> Message:
    found = read(body)
    assert isinstance(found, Message)
    return found


@pytest.mark.parametrize("body", list(NASTY.values()), ids=list(NASTY))
def test_no_body_raises(body: bytes) -> None:
    found = read(body)

    if isinstance(found, Message):
        received_at = moment(1_763_020_000_000)
        assert received_at is not None
        facts_told(found, telling_of(found), received_at=received_at)
        status_told(found)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "NOT_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b'{"message": 5}', "NO_MESSAGE"),
        (b'{"message": {"call": {"id": "c"}}}', "NO_TYPE"),
        (b'{"message": {"type": "hang"}}', "NO_CALL_ID"),
        (b'{"message": {"type": "hang", "call": {"id": 5}}}', "NO_CALL_ID"),
        (b'{"message": {"type": "hang", "call": {"id": " "}}}', "NO_CALL_ID"),
    ],
)
def test_what_cannot_be_read(body: bytes, reason: str) -> None:
    assert Unreadable(reason) == read(body)


def test_a_message_without_its_envelope_is_read() -> None:
    assert "hang" == read_message(b'{"type": "hang", "call": {"id": "c-1"}}').type


@pytest.mark.parametrize(
    "call",
    [
        {"name": "0195f3a0-0000-7000-8000-0000000000aa"},
        {"metadata": {"callplaneCallId": "0195f3a0-0000-7000-8000-0000000000aa"}},
        {"assistantOverrides": {"metadata": {"callplaneCallId": "0195F3A0-0000-7000-8000-0000000000AA"}}},
    ],
)
def test_our_own_id_is_found_wherever_it_travels(call: dict[str, object]) -> None:
    found = read_message(message("hang", "c-1", call=call))

    assert "0195f3a0-0000-7000-8000-0000000000aa" == str(found.own_call_id)


@pytest.mark.parametrize("reading", [read, read_told])
def test_our_own_id_is_found_in_the_metadata_of_the_assistant(
    reading: Callable[[bytes], Message | Unreadable],
) -> None:
    """V10: some messages show the call's metadata there alone."""
    metadata = {"callplaneCallId": "0195f3a0-0000-7000-8000-0000000000aa"}
    found = reading(message("hang", "c-1", assistant={"id": "a-1", "metadata": metadata}))

    assert isinstance(found, Message)
    assert "0195f3a0-0000-7000-8000-0000000000aa" == str(found.own_call_id)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (1722115418016.999, "2024-07-27T21:23:38.016999+00:00"),
        ("2024-07-27T21:24:05.712Z", "2024-07-27T21:24:05.712000+00:00"),
        ("2024-07-27T21:24:05+02:00", "2024-07-27T19:24:05+00:00"),
        ("2024-07-27T21:24:05", "2024-07-27T21:24:05+00:00"),
        ("never", None),
        (0, None),
        (1e300, None),
        (True, None),
        (None, None),
    ],
)
def test_moments(told: object, expected: str | None) -> None:
    found = moment(told)

    assert expected == (found.isoformat() if found else None)


def test_the_lines_of_a_report() -> None:
    """IN-6: role, words and time of each; what is no line is left out."""
    told = telling_of(
        read_message(
            report(
                "c-1",
                lines=[
                    said("system", "Be kind.", at=0),
                    said("bot", "Hello", at=1),
                    {"role": "tool_calls", "message": "", "toolCalls": [{"function": {"name": "f"}}]},
                    {"role": "tool_call_result", "result": "42"},
                    said("user", "  Hi  ", at=2.5),
                    {"role": "user", "message": ""},
                    {"role": "stranger", "message": "x"},
                ],
            )
        )
    )

    assert told is not None
    assert [
        ("SYSTEM", "Be kind."),
        ("ASSISTANT", "Hello"),
        ("TOOL", "f"),
        ("TOOL", "42"),
        ("USER", "Hi"),
    ] == [(line.role, line.message) for line in told.lines]
    assert 2.5 == told.lines[-1].seconds_from_start


def test_a_written_transcript_is_taken_apart() -> None:
    told = telling_of(
        read_message(report("c-1", transcript="AI: Hello.\nHow are you?\nUSER: Fine.\nAssistant: Good."))
    )

    assert told is not None
    assert [("ASSISTANT", "Hello.\nHow are you?"), ("USER", "Fine."), ("ASSISTANT", "Good.")] == [
        (line.role, line.message) for line in told.lines
    ]


def test_a_text_without_speakers_is_no_conversation() -> None:
    assert telling_of(read_message(report("c-1", transcript="Full conversation transcript..."))) is None


def test_only_final_live_transcripts_count() -> None:
    assert telling_of(read_message(transcript("c-1", "user", "Hi", at=1, kind="partial"))) is None
    final = telling_of(read_message(transcript("c-1", "user", "Hi", at=1)))

    assert final is not None
    assert 17_630_200_010_000 == final.lines[0].line_no


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"message": {"type": "hang",  "call": {"id": "c"}}}', '{"type": "hang",  "call": {"id": "c"}}'),
        (
            b'{"message": 5, "message": {"type": "hang", "call": {"id": "c"}}}',
            '{"type": "hang", "call": {"id": "c"}}',
        ),
        (b'{"message": {"type": "hang", "call": {"id": "c"}, "x": "\\u0000"}}', ""),
        (b'{"message": {"type": "hang"}, "call": {"id": "c"}}', ""),
        (b'{"type": "hang", "call": {"id": "c"}}', ""),
    ],
    ids=["as it came", "told twice", "with what cannot be stored", "call beside it", "without envelope"],
)
def test_a_message_is_kept_as_it_was_written_where_that_is_possible(body: bytes, expected: str) -> None:
    found = read_told(body)

    assert isinstance(found, Message)
    assert expected == found.json
    assert read_message(body).content == whole(found)


@pytest.mark.parametrize(
    "body",
    [
        *NASTY.values(),
        *TEXTS.values(),
        *STRUCTURES.values(),
        *whole_call("c-1"),
        whole_call("c-1")[-1].replace(b'"end-of-call-report"', b'" end-of-call-report[0]"'),
    ],
)
def test_what_is_told_is_the_same_without_what_nobody_asks_for(body: bytes) -> None:
    """B13, B14: whatever the body is, it is read, or refused for the same reason, either way."""
    usual, told = read(body), read_told(body)

    if isinstance(usual, Unreadable):
        assert usual == told
        return
    assert isinstance(told, Message)
    assert (usual.type, usual.provider_call_id, usual.own_call_id, usual.told_at) == (
        told.type,
        told.provider_call_id,
        told.own_call_id,
        told.told_at,
    )
    received_at = moment(1_763_020_000_000)
    assert received_at is not None
    assert facts_told(usual, telling_of(usual), received_at=received_at) == facts_told(
        told, telling_of(told), received_at=received_at
    )
    assert usual.content == whole(told)


def test_half_a_million_members_hold_nobody_up() -> None:
    """B14: read in less than 100 ms of processor time."""
    body = about("c-1", STRUCTURES["half a million keys"])
    times = []
    for _ in range(3):
        began = time.process_time()
        assert isinstance(read_told(body), Message)
        times.append(time.process_time() - began)

    assert min(times) < 0.1


def test_only_roughly_is_kept_when_people_talked() -> None:
    """A call's row would be written with every word otherwise."""
    received_at = moment(1_763_020_000_000)
    assert received_at is not None

    def known(body: bytes) -> dict[str, object]:
        return dict(facts_told(read_message(body), None, received_at=received_at))

    talk = [known(message("speech-update", "c-1", at=at, status="started")) for at in (6, 7, 19)]
    news = [known(message("hang", "c-1", at=at)) for at in (6, 7)]

    assert talk[0]["last_told_at"] == talk[1]["last_told_at"] == talk[2]["last_told_at"]
    assert talk[0]["customer_number"] == talk[1]["customer_number"]
    assert news[0]["last_told_at"] != news[1]["last_told_at"]
