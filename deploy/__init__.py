"""What runs Callplane: protos, local stack, sandbox, Envoy, database roles."""
