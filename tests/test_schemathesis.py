"""The service against its own OpenAPI document, by a client that nobody here wrote."""

import asyncio
import os
import sys
from pathlib import Path

from tests.service import Echo, running_service

CONFIG = Path(__file__).parent / "schemathesis.toml"
EXAMPLES = os.environ.get("KAMEO_ASYNC_FUZZ_EXAMPLES", "5")


async def test_every_check_of_schemathesis_holds(tmp_path: Path) -> None:
    """All checks, on every operation, with data that fits and data that does not."""
    options = {
        "--checks": "all",
        "--phases": "examples,coverage,fuzzing,stateful",
        "--max-examples": EXAMPLES,
        "--seed": "4711",
        # A websocket is no operation that HTTP could carry out: without an upgrade it is 426.
        "--exclude-path-regex": "/ws$",
        "--request-timeout": "10",
        "--suppress-health-check": "all",
        "--generation-database": "none",
    }
    words = [word for option in options.items() for word in option]
    async with running_service([Echo()], max_pending_jobs=100_000) as service:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG),
            *("run", f"{service.url}/api/openapi.json"),
            *words,
            "--no-color",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-8000:]
