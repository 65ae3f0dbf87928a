"""An imitation of Kameo, for tests and for trying the whole way offline: knows only its wire."""

from kameo_async.sandbox.options import Fault, FaultOrder, SandboxOptions, parse_fault
from kameo_async.sandbox.server import RunningSandbox, create_sandbox, running_sandbox

__all__ = [
    "Fault",
    "FaultOrder",
    "RunningSandbox",
    "SandboxOptions",
    "create_sandbox",
    "parse_fault",
    "running_sandbox",
]
