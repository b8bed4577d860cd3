"""The public REST API as its protos describe it: routes, and an OpenAPI 3.1 document."""
