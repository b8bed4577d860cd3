"""The two routes of /v2 that take or give a file, which no proto describes."""

from typing import Any, Final

_ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_CSV: Final = {"type": "string", "contentMediaType": "text/csv"}

_REPORT: Final = {
    "type": "object",
    "properties": {
        "importId": {"type": "string"},
        "totalRows": {"type": "integer"},
        "accepted": {"type": "integer"},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {
                        "type": "integer",
                        "description": "Line of the file, counted from 1 with the header.",
                    },
                    "field": {"type": "string"},
                    "reason": {"type": "string"},
                    "value": {"type": "string"},
                },
            },
        },
        "duplicates": {"type": "integer"},
    },
}

FILE_PATHS: Final[dict[str, dict[str, Any]]] = {
    "/v2/campaigns/{id}/contacts:import": {
        "post": {
            "operationId": "CampaignService.ImportContacts",
            "tags": ["CampaignService"],
            "summary": "Import contacts",
            "description": "Adds the contacts of a CSV file with the columns name, business_name and phone, "
            "10 MiB and 10,000 rows at most. Good rows are kept, each bad row is reported.\n\n"
            "Scope: `campaigns:write`.",
            "x-required-scope": "campaigns:write",
            "parameters": [
                _ID,
                {
                    "name": "defaultRegion",
                    "in": "query",
                    "description": "Region of numbers without a country code, ISO 3166; CA if empty.",
                    "schema": {"type": "string", "maxLength": 2},
                },
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "text/csv": {"schema": _CSV},
                    "multipart/form-data": {
                        "schema": {"type": "object", "required": ["file"], "properties": {"file": _CSV}}
                    },
                },
            },
            "responses": {
                "200": {
                    "description": "What became of each row.",
                    "content": {"application/json": {"schema": _REPORT}},
                },
                "413": {"description": "The file is larger than 10 MiB."},
                "415": {"description": "Neither text/csv nor multipart/form-data."},
            },
        }
    },
    "/v2/campaigns/{id}/export.csv": {
        "get": {
            "operationId": "CampaignService.ExportCampaign",
            "tags": ["CampaignService"],
            "summary": "Export campaign",
            "description": "The contacts with their last call as CSV.\n\nScope: `campaigns:read`.",
            "x-required-scope": "campaigns:read",
            "parameters": [_ID],
            "responses": {"200": {"description": "The file.", "content": {"text/csv": {"schema": _CSV}}}},
        }
    },
}
