"""gRPC as Callplane's services speak it: who calls, how long it may take, and what an error looks like."""

from libs.rpc.peer import Peer
from libs.rpc.principals import NO_ORG, Principal, PrincipalSigner, principal
from libs.rpc.server import RunningServer, serving
from libs.rpc.status import PeerError, peer_errors, to_service_error

__all__ = [
    "NO_ORG",
    "Peer",
    "PeerError",
    "Principal",
    "PrincipalSigner",
    "RunningServer",
    "peer_errors",
    "principal",
    "serving",
    "to_service_error",
]
