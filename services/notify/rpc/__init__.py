"""The service's remote procedures: protos to domain and back, and nothing else."""
