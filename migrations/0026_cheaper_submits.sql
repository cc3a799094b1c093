-- What is named in a function of this form was resolved when it was made, so that a path adds nothing
-- to its safety. With one it is called for each row, in a setting of its own; without, it becomes part
-- of the statement: writing an outbox row takes half the time.
ALTER FUNCTION new_event_id() RESET search_path;

-- Everything in it is looked up by whole keys, for which one plan is as good as another. Connections
-- ask for a new plan each time, for the sake of lists; making a dozen of them took longer than all the
-- rest of a submission.
ALTER FUNCTION submit_application(text, text, uuid, uuid, uuid, uuid, jsonb, jsonb, jsonb)
    SET plan_cache_mode = auto;
