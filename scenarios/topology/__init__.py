"""The words that scenarios are written in; see docs/tutorials/first-scenario.md."""

from hubbub.scenarios.topology.clients import ANY, Client
from hubbub.scenarios.topology.crowds import Crowd
from hubbub.scenarios.topology.gateways import Gateway
from hubbub.scenarios.topology.links import Link
from hubbub.scenarios.topology.running import run
from hubbub.scenarios.topology.scene import Scene
from hubbub.scenarios.topology.servers import Server
from hubbub.scenarios.topology.telling import Teller, Untrue

__all__ = [
    "ANY",
    "Client",
    "Crowd",
    "Gateway",
    "Link",
    "Scene",
    "Server",
    "Teller",
    "Untrue",
    "run",
]
