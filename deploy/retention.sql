-- Forget how runs went that succeeded more than 90 days ago. Weekly, for example:
--
--     psql postgresql://dagster@db.internal/dagster --file deploy/retention.sql
--
-- By far the most rows of Dagster's database are lines of logs, and events of steps. Runs, what they
-- materialized and the results of checks stay, and all of runs that failed: Lockstep tells by these
-- which partitions are shown, and whether a run was killed or somebody has to look at it. Whoever
-- deletes runs themselves has their partitions recorded anew, and blocked files scored again.
DELETE FROM event_logs
USING runs
WHERE runs.run_id = event_logs.run_id
  AND runs.status = 'SUCCESS'
  AND runs.end_time < extract(epoch FROM now() - interval '90 days')
  AND coalesce(event_logs.dagster_event_type, '') NOT LIKE ALL (ARRAY['ASSET%', 'PIPELINE%']);
