"""Engines: compute networks on this or that hardware."""

import sys

# Where this package is, OpenVINO tells its maker of every import, over the network, from a fork of the process.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
