"""The queue's part of the schema: procrastinate's own, and what keeps it in step with the table `job`.

A job that waits is in the queue, one that does not is not: triggers see to it in the transaction that writes
the job, so that a crash leaves both or neither.
"""

from typing import LiteralString

from procrastinate.schema import SchemaManager

_LONGEST_KIND = 100  # the name of a queue has 128 characters at most

# Its words to workers and its history of each job: ours hear of a job by its row, and a row has its times.
# With them a submit took twice as long, as a NOTIFY holds a lock of the whole server until the commit.
_QUIET = "ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER"

# The queue is empty most of the time, so that statistics know of none that wait, and to sort them all for
# each one that is taken seems cheap: 1.4 ms with 3,000 of them, where the index in their order takes 0.1.
_IN_ORDER = (
    "ALTER FUNCTION procrastinate_fetch_job_v2(varchar[], bigint) SET enable_sort TO off"
    " SET enable_bitmapscan TO off"
)

# What waits again, since its worker went or was lost, goes before what never ran. An index of procrastinate's
# has the database's collation, which our ids have not.
_IN_STEP = f"""
CREATE FUNCTION queue_of(mode text, kind text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT mode || ':' || CASE WHEN length(kind) > {_LONGEST_KIND} THEN md5(kind) ELSE kind END
$$;
CREATE FUNCTION queue_entry(waiting job) RETURNS procrastinate_job_to_defer_v1 LANGUAGE sql STABLE AS $$
    SELECT queue_of(waiting.mode, waiting.kind), 'run', (waiting.attempt > 1)::integer, NULL, waiting.job_id,
        jsonb_build_object('job_id', waiting.job_id), NULL::timestamptz
$$;
CREATE FUNCTION enter_queue() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM procrastinate_defer_jobs_v1(ARRAY[queue_entry(NEW)]);
    RETURN NULL;
END $$;
CREATE FUNCTION leave_queue() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM procrastinate_cancel_job_v1(id, false, true) FROM procrastinate_jobs
        WHERE queueing_lock = OLD.job_id COLLATE "default" AND status = 'todo';
    RETURN NULL;
END $$;
CREATE TRIGGER waits AFTER INSERT ON job FOR EACH ROW
    WHEN (NEW.status = 'pending') EXECUTE FUNCTION enter_queue();
CREATE TRIGGER waits_again AFTER UPDATE ON job FOR EACH ROW
    WHEN (OLD.status <> 'pending' AND NEW.status = 'pending') EXECUTE FUNCTION enter_queue();
CREATE TRIGGER waits_no_more AFTER UPDATE ON job FOR EACH ROW
    WHEN (OLD.status = 'pending' AND NEW.status <> 'pending') EXECUTE FUNCTION leave_queue();
DROP INDEX job_pending
"""

ENTER: LiteralString = (
    "SELECT procrastinate_defer_jobs_v1(array_agg(queue_entry(job) ORDER BY sequence)) FROM job"
    " WHERE status = 'pending'"
)

QUEUE: tuple[LiteralString, ...] = (SchemaManager.get_schema(), _QUIET, _IN_ORDER, _IN_STEP, ENTER)
