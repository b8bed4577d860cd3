"""Translation between the protos and the domain."""
