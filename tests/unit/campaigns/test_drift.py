"""Three states of an assistant, and what is written to make two of them one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaigns.domain import drift, pinning
from services.campaigns.domain.assistants import Content
from services.campaigns.domain.drift import ABSENT, ChangedBy


def content(**config: Any) -> Content:
    return Content("Agnes", config)


@pytest.mark.parametrize(
    ("written", "ours", "theirs", "changed_by"),
    [
        ("a", "a", "b", ChangedBy.PROVIDER),
        ("a", "b", "a", ChangedBy.DIRECTORY),
        ("a", "b", "c", ChangedBy.BOTH),
        ("b", "a", "b", ChangedBy.DIRECTORY),
    ],
)
def test_each_difference_tells_whose_change_it_is(
    written: str, ours: str, theirs: str, changed_by: ChangedBy
) -> None:
    """AS-4: three-way diff."""
    [found] = drift.differences(
        last_written=content(voice={"voiceId": written}),
        directory=content(voice={"voiceId": ours}),
        provider=content(voice={"voiceId": theirs}),
    )

    assert ("voice.voiceId", changed_by) == (found.field, found.changed_by)
    assert (written, ours, theirs) == (found.last_written, found.directory, found.provider)


def test_a_field_that_one_side_lacks_differs_and_one_at_its_unset_value_does_not() -> None:
    found = drift.differences(
        last_written=content(),
        directory=content(maxDurationSeconds=600, hooks=[]),
        provider=Content("Bruno", {"firstMessage": "Hi", "metadata": {}}),
    )

    assert ["firstMessage", "name"] == [one.field for one in found]
    assert (ABSENT, ABSENT, "Hi") == (found[0].last_written, found[0].directory, found[0].provider)


CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "firstMessage": st.sampled_from([None, "", "Hi", "Hello"]),
        "maxDurationSeconds": st.sampled_from([60, 600]),
        "metadata": st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)),
        "endCallPhrases": st.lists(st.sampled_from(["bye", "ciao"]), max_size=2),
        "voicemailDetection": st.sampled_from(["off", {"provider": "vapi"}]),
    },
)


@given(wanted=CONFIGS, present=CONFIGS)
def test_a_patch_makes_the_provider_have_what_is_wanted(
    wanted: dict[str, Any], present: dict[str, Any]
) -> None:
    """AS-4: a rollback brings back the whole content, fields that were added since included."""
    told = Content("Agnes", {**present, **drift.patch(wanted=content(**wanted), present=content(**present))})

    assert drift.same(content(**wanted), told)
    stored = drift.stored_config(told, wanted=content(**wanted))
    assert drift.same(content(**wanted), content(**stored))
    assert [] == drift.differences(last_written=content(), directory=content(**wanted), provider=told)


def test_what_the_provider_cannot_forget_is_named() -> None:
    stuck = drift.not_removable(wanted=content(), present=content(voice={}, model={}, firstMessage="Hi"))

    assert ["model", "voice"] == stuck


@given(pinned=CONFIGS, current=CONFIGS)
def test_a_call_talks_as_the_pinned_version(pinned: dict[str, Any], current: dict[str, Any]) -> None:
    """AS-4: what the call lays over the assistant makes it the version the campaign started with."""
    talked = {**current, **pinning.overrides(pinned=pinned, current=current)}

    assert drift.same(content(**pinned), content(**talked))


def test_nothing_is_laid_over_an_assistant_that_has_not_moved_on() -> None:
    config = {"firstMessage": "Hi", "maxDurationSeconds": 90.0}

    assert {} == pinning.overrides(pinned=config, current=dict(config))
    assert [90, 1500, 0] == [
        pinning.max_duration_seconds(one) for one in (config, {"maxDurationSeconds": 43200}, {})
    ]
