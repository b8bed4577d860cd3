"""The gateway's HTTP rooms: webhooks, files, health, descriptions of the API, and Envoy's authorization
checks."""
