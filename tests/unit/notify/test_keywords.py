"""What people mean by a text."""

import pytest

from services.notify.domain.keywords import Keyword, keyword_of


@pytest.mark.parametrize(
    "text",
    [
        *(
            "STOP",
            "stop",
            " Stop. ",
            "STOP!!!",
            "stop all",
            "StopAll",
            "UNSUBSCRIBE",
            "end",
            "QUIT",
            "revoke",
        ),
        *("opt-out", "OPTOUT", "cancel", "Arrêt", "ARRÊTEZ", "désabonner", "\u200bstop"),
        *("please stop texting me", "Don't call me again", "remove me from your list", "I want to opt out"),
        *("Ne m'appelez plus", "arrêtez de m'écrire"),
    ],
)
def test_every_way_of_saying_stop_counts(text: str) -> None:
    assert Keyword.STOP is keyword_of(text)


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("start", Keyword.START),
        ("YES", Keyword.START),
        ("unstop", Keyword.START),
        ("Help?", Keyword.HELP),
        ("info", Keyword.HELP),
        ("aide", Keyword.HELP),
        ("ack", Keyword.ACK),
        ("Acknowledged.", Keyword.ACK),
        ("", Keyword.NONE),
        ("The bus stop is flooded", Keyword.NONE),
        ("Can you cancel my appointment on Monday?", Keyword.NONE),
        ("yes please come", Keyword.NONE),
        ("x" * 20000, Keyword.NONE),
    ],
)
def test_other_texts_mean_what_they_say(text: str, keyword: Keyword) -> None:
    assert keyword is keyword_of(text)
