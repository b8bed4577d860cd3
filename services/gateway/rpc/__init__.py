"""The gateway's own RPCs: protos to nouns and back, nothing else."""
