"""The front door: Envoy's configuration, made from one template and the descriptor set of the protos."""
