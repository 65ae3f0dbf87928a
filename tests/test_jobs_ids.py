"""Ids of jobs are random, many of them from one call of the system."""

import os
import uuid

from kameo_async.jobs.ids import new_id


def test_ids_are_random_uuids():
    """Each another one, in the canonical form of version 4."""
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    for parsed, given in [(uuid.UUID(one), one) for one in ids]:
        assert (str(parsed), parsed.version, parsed.variant) == (given, 4, uuid.RFC_4122)
    assert all(len({one[at] for one in ids}) == 16 for at in (*range(8), 20, 35))


def test_a_forked_process_gives_ids_of_its_own():
    """Random bytes that its parent has in store are the parent's."""
    new_id()
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writes, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 100).decode() != new_id()
    os.close(reads)
    os.close(writes)
