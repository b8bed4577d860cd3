"""What the API says about itself: /openapi.json, /docs and /versions. Made once at the start."""

from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from services.gateway.http.openapi.descriptors import Descriptors
from services.gateway.http.openapi.document import document

_CACHED: Final = {"cache-control": "public, max-age=300"}
_PAGE_HEADERS: Final = {
    **_CACHED,
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}

_VERSIONS: Final = {
    "latest": "v2",
    "supported": ["v2"],
    "versions": [
        {
            "version": "v2",
            "status": "current",
            "deprecatedAt": None,
            "sunsetAt": None,
            "migrationGuide": None,
            "breakingChanges": [],
        }
    ],
}


class Descriptions:
    def __init__(self, descriptors: Descriptors, *, public_url: str) -> None:
        described = document(descriptors, server_url=public_url)
        self._openapi = msgspec.json.encode(described)
        self._page = _rendered(described)

    async def openapi(self, request: Request) -> Response:
        return Response(self._openapi, media_type="application/json", headers=_CACHED)

    async def docs(self, request: Request) -> Response:
        return Response(self._page, media_type="text/html; charset=utf-8", headers=_PAGE_HEADERS)

    async def versions(self, request: Request) -> Response:
        return Response(msgspec.json.encode(_VERSIONS), media_type="application/json", headers=_CACHED)


def _rendered(described: dict[str, Any]) -> str:
    templates = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    by_tag: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in described["tags"]}
    for path, item in described["paths"].items():
        for verb, operation in item.items():
            by_tag[operation["tags"][0]].append({"path": path, "verb": verb.upper(), **operation})
    return environment.get_template("docs.html").render(api=described, by_tag=by_tag)
