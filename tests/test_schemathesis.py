"""The service against its own OpenAPI document, by a client that nobody here wrote."""

import asyncio
import os
import sys
from pathlib import Path

from tests.service import Echo, running_service

ROOT = Path(__file__).parent.parent
EXAMPLES = os.environ.get("KAMEO_ASYNC_FUZZ_EXAMPLES", "5")
TOKEN = "schemathesis-token"


async def test_every_check_of_schemathesis_holds(tmp_path: Path) -> None:
    """All checks, on every operation, with data that fits and data that does not."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "KAMEO_ASYNC_TOKEN": TOKEN}
    async with running_service([Echo()], max_pending_jobs=100_000, token=TOKEN) as service:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", ROOT / "tests" / "schemathesis.toml"),
            *("run", f"{service.url}/api/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"),
            *("--max-examples", EXAMPLES, "--generation-database", "none", "--no-color"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
            env=environment,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-8000:]
