"""Phone numbers as telemetry may show them: +1******1234."""

import re

# With a plus and 7 to 15 digits, bare or spaced as people write them; longer digit runs are not phone
# numbers.
_INTERNATIONAL = re.compile(r"(?<![\w+])\+[1-9](?:[ .()-]{0,2}\d){6,14}(?!\d)")
_NATIONAL = re.compile(r"\(?\d(?:[ .()-]{0,2}\d){6,14}")


def mask_phone(text: str) -> str:
    """Masks every international number inside `text`; a text that is itself only a number in any form too."""
    if _NATIONAL.fullmatch(text):
        return _masked(text)
    if "+" not in text:
        return text
    return _INTERNATIONAL.sub(lambda found: _masked(found[0]), text)


def _masked(number: str) -> str:
    digits = re.sub(r"\D", "", number)
    plus = "+" if number.startswith("+") else ""
    return f"{plus}{digits[0]}{'*' * (len(digits) - 5)}{digits[-4:]}"
