"""What somebody who texts us wants: the carriers' opt-out words in English and French, and our own ACK."""

import re
import unicodedata
from enum import StrEnum
from typing import Final

HELP_REPLY: Final = (
    "This number sends alerts of a service that answers phone calls. "
    "Reply STOP to get no more, START to get them again, ACK to take the latest alert."
)
ACKNOWLEDGED_REPLY: Final = "Thank you: the alert is yours."
NOTHING_OPEN_REPLY: Final = "There is no open alert for you."


class Keyword(StrEnum):
    STOP = "STOP"
    START = "START"
    HELP = "HELP"
    ACK = "ACK"
    NONE = "NONE"


_WORDS: Final = {
    Keyword.STOP: "STOP STOPALL UNSUBSCRIBE END QUIT REVOKE OPTOUT CANCEL "
    "ARRET ARRETER ARRETEZ DESABONNER DESINSCRIRE",
    Keyword.START: "START YES UNSTOP",
    Keyword.HELP: "HELP INFO AIDE",
    Keyword.ACK: "ACK ACKNOWLEDGE ACKNOWLEDGED",
}
_KEYWORDS: Final = {word: keyword for keyword, words in _WORDS.items() for word in words.split()}
# Any reasonable way of saying it counts, so long as the sentence is plainly about our messages or calls.
_STOP_SENTENCE: Final = re.compile(
    r"\b(?:STOP|QUIT) (?:ALL|TEXTING|MESSAGING|CALLING|SENDING|CONTACTING|THESE|THE (?:TEXT|MESSAGE|CALL)S)\b"
    r"|\b(?:UNSUBSCRIBE|REMOVE) ME\b|\bOPT (?:ME )?OUT\b"
    r"|\b(?:DO NOT|DON ?'?T) (?:TEXT|MESSAGE|CALL|CONTACT) ME\b"
    r"|\bARRETEZ? DE M(?:E |')?(?:TEXTER|ECRIRE|APPELER|ENVOYER|CONTACTER)\b"
    r"|\bNE M(?:E |')?(?:ECRIVEZ|APPELEZ|CONTACTEZ|TEXTEZ) PLUS\b"
)


def keyword_of(text: str) -> Keyword:
    """Case, accents, spaces and punctuation do not matter."""
    words = _normalized(text)
    found = _KEYWORDS.get(words.replace(" ", "")) if len(words) <= 40 else None
    if found is not None:
        return found
    return Keyword.STOP if _STOP_SENTENCE.search(words) else Keyword.NONE


def _normalized(text: str) -> str:
    bare = "".join(
        character
        for character in unicodedata.normalize("NFKD", text[:2000])
        if not unicodedata.combining(character)
    )
    return " ".join(re.sub(r"[^A-Z0-9']+", " ", bare.upper().replace("\u2019", "'")).split())
