"""What the service does: each operation owns its transactions."""
