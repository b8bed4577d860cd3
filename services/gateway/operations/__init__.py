"""What the gateway does: transactions, caches, queues. Peers come in as plain callables."""
