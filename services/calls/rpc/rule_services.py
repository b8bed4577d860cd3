"""The servicers that keep rules."""

import grpc.aio

from callplane.calls.v2 import (
    adjustments_pb2_grpc,
    rules_pb2_grpc,
    services_pb2_grpc,
    transfers_pb2_grpc,
)
from services.calls.operations.rules import Rules
from services.calls.rpc.adjustments import PricingAdjustmentServicer
from services.calls.rpc.rules import RuleServicer
from services.calls.rpc.services import ServiceRuleServicer
from services.calls.rpc.transfers import TransferDestinationServicer


def add_rule_servicers(server: grpc.aio.Server, rules: Rules) -> None:
    rules_pb2_grpc.add_RuleServiceServicer_to_server(RuleServicer(rules), server)
    adjustments_pb2_grpc.add_PricingAdjustmentServiceServicer_to_server(
        PricingAdjustmentServicer(rules), server
    )
    services_pb2_grpc.add_ServiceRuleServiceServicer_to_server(ServiceRuleServicer(rules), server)
    transfers_pb2_grpc.add_TransferDestinationServiceServicer_to_server(
        TransferDestinationServicer(rules), server
    )
