"""Call screening: a telephone's own assistant asks who is calling before its owner decides.

The sentences are those of the assistants of iOS (since 26) and Android (Google Call Screen), as callers hear
them, and their French versions.
"""

import re
from functools import lru_cache
from typing import Final

from services.calls.domain.text import folded

_SENTENCES: Final = re.compile(
    r"record your name"
    r"|your name and (?:the )?reason (?:for|of) (?:your )?call"
    r"|(?:see|check) if (?:this|the) person is available"
    r"|(?:is )?using (?:a |the )?(?:call )?screening service"
    r"|call screening|screening service from google|get a copy of this conversation"
    r"|(?:state|say|tell me) your name and (?:why|the reason|reason)"
    r"|enregistrez votre nom|votre nom et (?:la raison|le motif) de votre appel"
    r"|(?:voir|verifier) si (?:cette|la) personne est disponible"
    r"|service de filtrage"
)
_WAITING: Final = re.compile(r"(?:thanks|thank you|merci)? ?(?:please )?(?:stay on the line|restez en ligne)")
_LENGTH_MAX: Final = 600
_REMEMBERED: Final = 2_000


# A conversation is told again with every turn of it.
@lru_cache(maxsize=_REMEMBERED)
def is_screening(said: str) -> bool:
    """Whether these are the words of a call screen and not of a person."""
    if len(said) > _LENGTH_MAX:
        return False
    words = folded(said)
    return bool(_SENTENCES.search(words) or _WAITING.fullmatch(words))
