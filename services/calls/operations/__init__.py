"""What the service does: transactions, their order, their idempotency."""
