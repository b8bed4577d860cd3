"""The four services; each folder imports `libs` and generated code, never another service."""
