"""A small Ray cluster on this machine: a head without cores, and nodes that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

STORE_BYTES = 80_000_000
START_S = 200.0


class SmallCluster:
    """A head and nodes of one core each; each node is a process tree of its own."""

    def __init__(self, nodes: int) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster()
        try:
            self._add(0, include_dashboard=False)
            self.nodes = [self.add() for _ in range(nodes)]
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """For `--ray`."""
        return str(self._cluster.address)

    def add(self):
        """Add a node."""
        return self._add(1)

    def _add(self, cores: int, **options):
        # A node waits 15 seconds for its agents to say which ports they chose; not for ports that are given.
        agents = ("metrics_agent", "metrics_export", "dashboard_agent_listen", "runtime_env_agent")
        ports = {f"{name}_port": port for name, port in zip(agents, free_ports(len(agents)), strict=True)}
        return self._cluster.add_node(
            num_cpus=cores, object_store_memory=STORE_BYTES, include_log_monitor=False, **ports, **options
        )

    def kill(self, node) -> None:
        """Kill a node's raylet, as if its machine were lost."""
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        """End all of its processes."""
        self._cluster.shutdown()


def free_ports(n: int) -> list[int]:
    """Ports on which nothing listens."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def small_cluster(nodes: int) -> Generator[SmallCluster]:
    """A cluster of a head and so many nodes."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with patient_start():
        cluster = SmallCluster(nodes)
    try:
        yield cluster
    finally:
        cluster.close()


@contextmanager
def patient_start() -> Generator[None]:
    """Give nodes more than Ray's 15 and 30 seconds to start, as a busy machine takes longer."""
    from ray._private import node, services

    ask, start_processes = services.get_node, node.Node.start_ray_processes

    def ask_again(*arguments):
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                return ask(*arguments)
            except RuntimeError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.2)

    def start(self):
        # The node does not wait for its dashboard's agent where that seems to have no port already.
        Path(self._session_dir, f"dashboard_agent_listen_port_{self._node_id}").write_text("-1")
        start_processes(self)

    services.get_node, node.Node.start_ray_processes = ask_again, start
    try:
        yield
    finally:
        services.get_node, node.Node.start_ray_processes = ask, start_processes


def video_processes() -> list[int]:
    """The processes on this machine in which Ray does videos."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().startswith(b"ray::NodeProcess"):
                found.append(int(path.parent.name))
    return found


def kill(process: int) -> None:
    """Kill a process at once."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
