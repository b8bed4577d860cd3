"""Where calls may be transferred to."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from services.calls.domain.transfers import DestinationKind, TransferDestination
from services.calls.store.rule_table import RuleTable


def _destination(fields: dict[str, Any]) -> TransferDestination:
    del fields["name_key"]
    fields["kind"] = DestinationKind(fields["kind"])
    return TransferDestination(**fields)


class _TransferDestinations(RuleTable[TransferDestination, tuple[int, UUID]]):
    def written(self, rule: TransferDestination) -> object:
        return {**asdict(rule), "name_key": rule.name_key}


# By position.
TRANSFER_DESTINATIONS = _TransferDestinations(
    "transfer_destinations",
    fixed=("name", "name_key", "kind"),
    changing=("position", "active", "address", "message_fr", "message_en"),
    order={"position": "integer", "id": "uuid"},
    unique="transfer_destinations_name_unique",
    read=_destination,
)
