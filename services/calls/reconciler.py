"""The cadence of reconciliation: which loops there are, how often they look, and that one process at a time
does."""

from collections.abc import Sequence

from libs.loops import Loop
from libs.pg import Lease, Pool
from services.calls.operations.pacing import CarrierWatch
from services.calls.operations.reconciliation import Reconciliation
from services.calls.operations.sweeping import Sweeping

_LEASE_SECONDS = 10.0


def reconciler_loops(
    reconciliation: Reconciliation,
    sweeping: Sweeping,
    carrier_watch: CarrierWatch,
    pool: Pool,
    *,
    interval_seconds: float,
    sweep_seconds: float,
) -> Sequence[Loop]:
    """`pool` is the worker role's. The caller runs them."""
    steps = (
        ("reconcile placements", reconciliation.settle_placements, interval_seconds),
        ("reconcile calls", reconciliation.follow_up, interval_seconds),
        ("complete calls", reconciliation.complete, interval_seconds),
        ("count lost webhooks", reconciliation.count_lost, interval_seconds),
        ("reconcile lines", reconciliation.free_lines, interval_seconds),
        ("sweep", sweeping.step, sweep_seconds),
        ("watch carriers", carrier_watch.look, interval_seconds),
    )
    return [
        Loop(
            name,
            step,
            interval_seconds=seconds,
            lease=Lease(pool, schema="calls", name=name, ttl_seconds=_LEASE_SECONDS),
        )
        for name, step, seconds in steps
    ]
