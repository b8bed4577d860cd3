"""The whole stack on one machine: PostgreSQL, Envoy, four services and the sandbox, from wheels."""
