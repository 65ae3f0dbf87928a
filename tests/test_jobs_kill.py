"""`kill -9` at random moments, again and again on one file: what a client was told stays true."""

import os
import random
import signal
import subprocess
import sys
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from kameo_async.jobs.document import document
from kameo_async.jobs.journal import Journal
from kameo_async.jobs.service import JobLimits, JobService
from tests.kill_victim import KEYS, Victim

ROUNDS = int(os.environ.get("KAMEO_ASYNC_KILL_ROUNDS", "30"))
ROUNDS_OF_ONE_FILE = 30


class Client:
    """What somebody outside has been told, over all the lives of the service."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}  # key -> job id
        self.ends: dict[str, str] = {}  # job id -> revision and digest of its terminal document
        self.seen: dict[str, dict[int, str]] = {}  # job id -> revision -> digest

    def hear(self, line: str) -> None:
        word, *rest = line.split()
        if word == "submit":
            key, job_id = rest
            assert self.keys.setdefault(key, job_id) == job_id, "a key started a second job"
        elif word in ("seen", "end"):
            job_id, revision, digest = rest
            revisions = self.seen.setdefault(job_id, {})
            assert revisions.setdefault(int(revision), digest) == digest, "a revision was shown twice"
            assert int(revision) == max(revisions)
            assert job_id not in self.ends, "a terminal job changed"
            if word == "end":
                self.ends[job_id] = digest


def one_life(mother: "subprocess.Popen[str]", client: Client, first: int, chance: random.Random) -> None:
    """From fork to `kill -9`, at a random moment after a random number of lines."""
    assert mother.stdin is not None
    assert mother.stdout is not None
    print(first, file=mother.stdin, flush=True)
    lines, told, timer = chance.choice([0, 0, 1, 5, 40, 200]), 0, None
    for line in mother.stdout:
        word, *rest = line.split()
        if word == "born":
            pid = int(rest[0])
        elif word == "dead":
            break
        else:
            client.hear(line)
            told += 1
        if told >= lines and timer is None:
            timer = threading.Timer(chance.random() * 0.03, os.kill, (pid, signal.SIGKILL))
            timer.start()
    assert timer is not None
    timer.join()


async def check(path: Path, client: Client) -> None:
    """Opens the file as the next process would, and asks for all that was told."""
    async with Journal.open(path) as journal:
        service = JobService([Victim()], JobLimits(max_pending=KEYS, grace_seconds=0), journal=journal)
        async with service:
            for key, job_id in client.keys.items():
                params = {"number": int(key[1:])}
                assert (await service.submit("victim", params, key=key)).job_id == job_id
            for job_id in {*client.keys.values(), *client.seen}:
                job = await service.get(job_id)
                assert job.is_terminal
                client_knows = client.seen.get(job_id, {})
                digest = sha256(document(job)).hexdigest()
                if job_id in client.ends:
                    assert client.ends[job_id] == digest
                else:
                    assert job.revision > max(client_knows, default=0)
                    client.hear(f"end {job_id} {job.revision} {digest}")


@pytest.mark.parametrize("first", range(0, ROUNDS, ROUNDS_OF_ONE_FILE))
async def test_nothing_told_is_undone_by_kill_9(tmp_path: Path, first: int) -> None:
    """No acknowledged submit is lost, no seen terminal state changes, no key starts a second job."""
    path, client, chance = tmp_path / "jobs.sqlite3", Client(), random.Random()
    script = Path(__file__).with_name("kill_victim.py")
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on the loop
        [sys.executable, str(script), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as mother:
        assert mother.stdout is not None
        assert mother.stdout.readline() == "ready\n"
        for number in range(min(ROUNDS_OF_ONE_FILE, ROUNDS - first)):
            one_life(mother, client, 200 * number, chance)
            await check(path, client)
        assert mother.stdin is not None
        mother.stdin.close()
    assert client.keys.keys()
    assert client.ends.keys()
