"""Assistants and phone numbers: the objects of Vapi's account, some there from the start."""

from __future__ import annotations

import random
import uuid
from typing import Any

from deploy.sandbox.config import VAPI_ASSISTANT_ID, VAPI_ORG_ID, VAPI_PHONE_NUMBER, VAPI_PHONE_NUMBER_ID
from deploy.sandbox.journal import Journal
from deploy.sandbox.moments import iso, now

OBJECTS_MAX = 10_000

_ASSISTANT = {
    "name": "Réception Drainage Rive-Nord",
    "firstMessage": "Bonjour, ici l'assistante de Drainage Rive-Nord. Comment puis-je vous aider?",
    "model": {
        "provider": "openai",
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "You answer the phone of a drain-cleaning business."}],
    },
    "voice": {"provider": "11labs", "voiceId": "burt"},
    "transcriber": {"provider": "deepgram", "model": "nova-2", "language": "fr"},
    "maxDurationSeconds": 600,
    "serverMessages": [
        "assistant.started",
        "conversation-update",
        "end-of-call-report",
        "hang",
        "speech-update",
        "status-update",
        "tool-calls",
        "transcript",
        "user-interrupted",
    ],
}

_PHONE_NUMBER = {
    "provider": "vapi",
    "number": VAPI_PHONE_NUMBER,
    "name": "Ligne principale",
    "status": "active",
    "assistantId": VAPI_ASSISTANT_ID,
}


class CatalogFull(Exception):
    """The sandbox holds as many of these objects as it will."""


class Catalog:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.assistants = {str(a["id"]): a for a in journal.all("assistant", dict)}
        self.phone_numbers = {str(p["id"]): p for p in journal.all("phone_number", dict)}
        self._stock()

    def start_over(self) -> None:
        """Only what is there from the start, as it was."""
        self.assistants.clear()
        self.phone_numbers.clear()
        self._journal.remove_all("assistant")
        self._journal.remove_all("phone_number")
        self._stock()

    def _stock(self) -> None:
        if VAPI_ASSISTANT_ID not in self.assistants:
            self._store("assistant", {"id": VAPI_ASSISTANT_ID, **_stamps(), **_ASSISTANT})
        if VAPI_PHONE_NUMBER_ID not in self.phone_numbers:
            self._store("phone_number", {"id": VAPI_PHONE_NUMBER_ID, **_stamps(), **_PHONE_NUMBER})

    def assistants_of(self, org_id: str) -> dict[str, dict[str, Any]]:
        return {key: found for key, found in self.assistants.items() if found["orgId"] == org_id}

    def phone_numbers_of(self, org_id: str) -> dict[str, dict[str, Any]]:
        return {key: found for key, found in self.phone_numbers.items() if found["orgId"] == org_id}

    def create_assistant(self, body: dict[str, Any], *, org_id: str = VAPI_ORG_ID) -> dict[str, Any]:
        if len(self.assistants) >= OBJECTS_MAX:
            raise CatalogFull
        return self._store("assistant", {"id": str(uuid.uuid4()), **_stamps(org_id), **body})

    def update_assistant(self, assistant_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replaces the named fields whole, as Vapi does: what a sent sub-object leaves out is gone."""
        known = self.assistants[assistant_id]
        return self._store("assistant", {**known, **body, "updatedAt": iso(now())})

    def delete_assistant(self, assistant_id: str) -> dict[str, Any]:
        self._journal.remove("assistant", assistant_id)
        return self.assistants.pop(assistant_id)

    def create_phone_number(self, body: dict[str, Any], *, org_id: str = VAPI_ORG_ID) -> dict[str, Any]:
        if len(self.phone_numbers) >= OBJECTS_MAX:
            raise CatalogFull
        number = body.get("number") or f"+1514{random.randrange(220, 990)}{random.randrange(1000, 9999)}"
        fields = {**body, "number": number, "status": "active"}
        fields.pop("twilioAuthToken", None)
        return self._store("phone_number", {"id": str(uuid.uuid4()), **_stamps(org_id), **fields})

    def assistant_of(
        self,
        *,
        org_id: str,
        assistant_id: str | None,
        transient: dict[str, Any] | None,
        overrides: dict[str, Any] | None,
    ) -> dict[str, Any] | None:
        """The assistant as it takes the call: a stored one of the organization or a transient one, with the
        overrides laid over it."""
        found = transient if transient is not None else self.assistants.get(assistant_id or "")
        if found is None or found.get("orgId", org_id) != org_id:
            return None
        laid_over = {name: value for name, value in (overrides or {}).items() if name != "variableValues"}
        return {**found, **laid_over}

    def _store(self, kind: str, document: dict[str, Any]) -> dict[str, Any]:
        objects = self.assistants if kind == "assistant" else self.phone_numbers
        objects[document["id"]] = document
        self._journal.put(kind, document["id"], document)
        return document


def _stamps(org_id: str = VAPI_ORG_ID) -> dict[str, str]:
    moment = iso(now())
    return {"orgId": org_id, "createdAt": moment, "updatedAt": moment}
