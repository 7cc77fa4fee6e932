"""What a profile says: shares of a step, slowest modules and operations."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.profiler import profile

from graphium.training.stopwatch import ModuleTimes

OTHERS = "other ranks"
PARTS = ("data", "forward", OTHERS, "backward", "optimizer")
"""Of a step: waiting for the batch, the loss with forward, waiting until all ranks have come as
far, backward with the exchange of gradients, clipping with the optimiser."""
MOST_SHOWN = 12
"""Modules and operations that are named, the slowest first."""
_LEVEL = 0.02
"""Ranks that wait as long, but for this share of a step, are equally fast."""


def parts(seconds: Mapping[str, float], steps: int) -> dict[str, Any]:
    """Return the parts of a micro-batch."""
    total = sum(seconds.values())
    return {
        "micro_batches": steps,
        "ms_per_micro_batch": round(1e3 * total / steps, 4),
        "shares": {
            name: round(seconds.get(name, 0.0) / max(total, 1e-12), 4)
            for name in PARTS
            if name in seconds
        },
    }


def modules(times: ModuleTimes, steps: int) -> list[dict[str, Any]]:
    """Return the time of each module by itself, the slowest first."""
    slowest = sorted(times.seconds, key=lambda name: times.seconds[name], reverse=True)
    return [
        {
            "module": name,
            "ms_per_micro_batch": round(1e3 * times.seconds[name] / steps, 4),
            "calls": round(times.calls[name] / steps, 2),
        }
        for name in slowest
    ]


def operations(done: profile, steps: int) -> list[dict[str, Any]]:
    """Return the self time of each operation: on the GPU where there is one, else on the CPU."""
    found = done.key_averages()
    on_device = any(one.self_device_time_total > 0 for one in found)
    times = {
        one.key: one.self_device_time_total if on_device else one.self_cpu_time_total
        for one in found
    }
    calls = {one.key: one.count for one in found}
    total = sum(times.values())
    return [
        {
            "operation": name,
            "ms_per_micro_batch": round(times[name] / 1e3 / steps, 4),
            "share": round(times[name] / max(total, 1e-12), 4),
            "calls": round(calls[name] / steps, 2),
        }
        for name in sorted(times, key=lambda name: times[name], reverse=True)
        if times[name] > 0
    ]


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return what a profile says, in lines."""
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in report["shares"].items())
    lines = [
        f"a micro-batch takes {report['ms_per_micro_batch']:.2f} ms (mean of "
        f"{report['micro_batches']}): {shares}",
        *_describe_waiting(report.get("waiting_for_others", [])),
        "slowest modules, forward, without the modules inside them (ms):",
    ]
    lines += [
        f"  {one['ms_per_micro_batch']:9.3f}  {one['module']}"
        for one in report["modules"][:MOST_SHOWN]
    ]
    lines.append("slowest operations, forward and backward, without those inside them (ms):")
    lines += [
        f"  {one['ms_per_micro_batch']:9.3f}  {100 * one['share']:5.1f} %  {one['operation']}"
        for one in report["operations"][:MOST_SHOWN]
    ]
    return lines


def _describe_waiting(shares: Sequence[float]) -> list[str]:
    """Say how long each rank waits; the one that waits least keeps the others waiting."""
    if not shares:
        return []
    each = ", ".join(f"rank {rank} {100 * share:.1f} %" for rank, share in enumerate(shares))
    least = min(range(len(shares)), key=lambda rank: shares[rank])
    if max(shares) - shares[least] < _LEVEL:
        return [f"waiting for other ranks: {each}; none is slower than the others"]
    return [f"waiting for other ranks: {each}; rank {least} is the slowest"]
