"""Prints Envoy's configuration for the addresses in the environment."""

import os

from deploy.envoy.config import FrontDoor, render

print(render(FrontDoor.from_env(os.environ)))
