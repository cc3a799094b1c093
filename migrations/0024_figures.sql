-- Figures by the quarter of an hour: every time zone in use begins its days on one, so that days can
-- be summed up in the zone of whoever asks. The table keeps its name, and whole hours stay allowed:
-- instances of the version before write them until they are replaced.
LOCK TABLE event_log, metric_hours IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE metric_hours DROP CONSTRAINT metric_hours_bucket_check;
ALTER TABLE metric_hours
    ADD CONSTRAINT metric_hours_bucket_check
        CHECK (date_bin('15 minutes', bucket, '2000-01-01 00:00+00') = bucket),
    -- When something was last added to it although its time was over.
    ADD COLUMN revised_at timestamptz;

-- What was counted by the hour is counted anew from the log, withdrawals along with it. Views have
-- no log and stay as they are.
DO $$
DECLARE
    tenant uuid;
BEGIN
    FOR tenant IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', tenant::text, true);
        DELETE FROM metric_hours WHERE tenant_id = tenant AND kind <> 'job.viewed';
        INSERT INTO metric_hours (tenant_id, job_id, source, kind, bucket, n)
        SELECT l.tenant_id, l.job_id, coalesce(l.source, ''), metric.kind,
               date_bin('15 minutes', l.occurred_at, '2000-01-01 00:00+00'), count(*)
        FROM event_log l
        CROSS JOIN LATERAL (
            VALUES (l.kind),
                   ('entered.' || coalesce(l.stage_to,
                       CASE WHEN l.stage_from IS NOT NULL THEN 'withdrawn' END)),
                   ('left.' || l.stage_from)
        ) AS metric (kind)
        WHERE l.tenant_id = tenant AND starts_with(l.kind, 'application.')
          AND metric.kind IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
