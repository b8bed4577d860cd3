"""How fast intake is on this machine: `python -m deploy.bench` measures a local stack of its own."""
