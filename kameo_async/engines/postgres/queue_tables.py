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

# The queue is empty most of the time, and so is what statistics know of it: to sort all that wait for each
# one that is taken, or to look through all, then seems cheap (10 ms with 20,000). By the index in their
# order, and planned anew each time for as many as there are, it takes 0.3 ms whatever was before.
_IN_ORDER = (
    "ALTER FUNCTION procrastinate_fetch_job_v2(varchar[], bigint) SET enable_sort TO off"
    " SET enable_bitmapscan TO off SET plan_cache_mode TO force_custom_plan"
)

# What waits again, since its worker went or was lost, goes before what never ran. An index of procrastinate's
# has the database's collation, which our ids have not.
_IN_STEP = f"""
DROP INDEX job_pending;
CREATE FUNCTION queue_of(mode text, kind text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT mode || ':' || CASE WHEN length(kind) > {_LONGEST_KIND} THEN md5(kind) ELSE kind END
$$;
CREATE FUNCTION queue_entry(waiting job) RETURNS procrastinate_job_to_defer_v1 LANGUAGE sql STABLE AS $$
    SELECT queue_of(waiting.mode, waiting.kind), 'run', (waiting.attempt > 1)::integer, NULL, waiting.job_id,
        jsonb_build_object('job_id', waiting.job_id), NULL::timestamptz
$$;
CREATE FUNCTION keep_queue() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM procrastinate_cancel_job_v1(id, false, true) FROM procrastinate_jobs
            WHERE queueing_lock = NEW.job_id COLLATE "default" AND status = 'todo';
    END IF;
    IF NEW.status = 'pending' THEN
        PERFORM procrastinate_defer_jobs_v1(ARRAY[queue_entry(NEW)]);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER waits AFTER INSERT ON job FOR EACH ROW
    WHEN (NEW.status = 'pending') EXECUTE FUNCTION keep_queue();
CREATE TRIGGER waits_otherwise AFTER UPDATE ON job FOR EACH ROW
    WHEN ((OLD.status = 'pending') <> (NEW.status = 'pending')) EXECUTE FUNCTION keep_queue()
"""

ENTER: LiteralString = (
    "SELECT procrastinate_defer_jobs_v1(array_agg(queue_entry(job) ORDER BY sequence)) FROM job"
    " WHERE status = 'pending'"
)

QUEUE: tuple[LiteralString, ...] = (SchemaManager.get_schema(), _QUIET, _IN_ORDER, _IN_STEP, ENTER)
