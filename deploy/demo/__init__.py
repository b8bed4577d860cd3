"""The main job, told once from end to end on the running local stack: `python -m deploy.local demo`."""
