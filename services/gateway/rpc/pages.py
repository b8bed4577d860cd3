"""Page tokens of lists that are sorted by creation time and id."""

from uuid import UUID

from libs.errors import InvalidPageToken
from libs.rpc import pages
from services.gateway.operations.pages import Place


def place(token: str) -> Place | None:
    values = pages.decode(token, size=2)
    if not values:
        return None
    try:
        return pages.moment(values[0]), UUID(values[1])
    except ValueError:
        raise InvalidPageToken from None


def token(place: Place | None) -> str:
    return pages.encode([place[0].isoformat(), str(place[1])]) if place else ""
