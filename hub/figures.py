"""What operators may measure: figures of one process, added up over all workers of a machine where there are several.

The supervisor names a folder in PROMETHEUS_MULTIPROC_DIR before its workers start; each keeps its figures there.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_FINE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

SOCKETS = Gauge("hub_sockets", "Sockets connected.", multiprocess_mode="livesum")
ROOMS = Gauge("hub_rooms_heard", "Live rooms heard by Redis, once for each worker.", multiprocess_mode="livesum")
PLACING = Gauge("hub_placing_waiting", "Baskets that wait for their turn to be placed.", multiprocess_mode="livesum")
IDLE = Gauge("hub_database_idle", "Database connections at rest.", multiprocess_mode="livesum")
PUBLISHING = Gauge("hub_publish_waiting", "Transactions whose events wait for Redis.", multiprocess_mode="livesum")
HEARD = Gauge("hub_redis_heard", "1 while every worker hears by Redis what it publishes.", multiprocess_mode="livemin")
CPU = Gauge("hub_worker_cpu_seconds", "Seconds of CPU used by a worker.", multiprocess_mode="liveall")
MEMORY = Gauge("hub_worker_memory_bytes", "Memory in use by a worker.", multiprocess_mode="liveall")
LAG = Histogram("hub_loop_lag_seconds", "Seconds by which a worker is late for what it meant to do.", buckets=_FINE)
PUBLISH = Histogram("hub_publish_seconds", "Seconds from commit until Redis took the events.", buckets=_FINE)

_PAGE = resource.getpagesize()
_STATM = Path("/proc/self/statm")


def measure_process() -> None:
    """Note what this process uses of the machine."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    CPU.set(used.ru_utime + used.ru_stime)
    if _STATM.exists():
        MEMORY.set(int(_STATM.read_text().split()[1]) * _PAGE)


def gauge(name: str, about: str, values: dict[str, float], label: str = "") -> Metric:
    """Make a figure that is read when it is asked for, with one value for each label."""
    family = GaugeMetricFamily(name, about, labels=[label] if label else None)
    for value_of, value in values.items():
        family.add_metric([value_of] if label else [], value)
    return family


class _Asked(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> list[Metric]:
        return self.metrics


def written(asked: list[Metric]) -> bytes:
    """Write all figures as Prometheus reads them, with those that were asked for just now."""
    if FOLDER in os.environ:
        workers = CollectorRegistry()
        MultiProcessCollector(workers)  # type: ignore[no-untyped-call]
    else:
        workers = REGISTRY
    now = CollectorRegistry()
    now.register(_Asked(asked))
    return generate_latest(workers) + generate_latest(now)


def forget(pid: int, folder: str) -> None:
    """Let go of what a worker that has ended was doing at the end; what it counted stays counted."""
    mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
