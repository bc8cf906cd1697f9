-- +goose Up

-- In the order in which others lock them. From here on every change is noted, so the run below needs the records of before only.
LOCK TABLE health_records, doctor_comments IN SHARE ROW EXCLUSIVE MODE;
ALTER TABLE record_search ADD CONSTRAINT record_search_record_fkey FOREIGN KEY (record_id) REFERENCES health_records (id) ON DELETE CASCADE;

CREATE TRIGGER record_indexed AFTER INSERT ON health_records FOR EACH ROW EXECUTE FUNCTION record_to_index();
CREATE TRIGGER record_indexed_again AFTER UPDATE ON health_records FOR EACH ROW
    WHEN ((OLD.record_type, OLD.title, OLD.description, OLD.symptoms, OLD.diagnosis, OLD.treatment, OLD.medications, OLD.visit_date, OLD.language)
        IS DISTINCT FROM (NEW.record_type, NEW.title, NEW.description, NEW.symptoms, NEW.diagnosis, NEW.treatment, NEW.medications,
            NEW.visit_date, NEW.language))
    EXECUTE FUNCTION record_to_index();
CREATE TRIGGER comment_indexed AFTER INSERT OR DELETE ON doctor_comments FOR EACH ROW EXECUTE FUNCTION comment_to_index();
CREATE TRIGGER comment_indexed_again AFTER UPDATE ON doctor_comments FOR EACH ROW
    WHEN ((OLD.comment, OLD.is_private) IS DISTINCT FROM (NEW.comment, NEW.is_private)) EXECUTE FUNCTION comment_to_index();

-- The worker indexes the records of before. Without any, there is nothing to do.
INSERT INTO search_reindex (last_id, finished_at, filled_at)
SELECT coalesce(last.id, 0), CASE WHEN last.id IS NULL THEN now() END, CASE WHEN last.id IS NULL THEN now() END
FROM (SELECT max(r.id) AS id FROM health_records r) AS last;

-- +goose Down
LOCK TABLE health_records, doctor_comments IN ACCESS EXCLUSIVE MODE;
DROP TRIGGER record_indexed ON health_records;
DROP TRIGGER record_indexed_again ON health_records;
DROP TRIGGER comment_indexed ON doctor_comments;
DROP TRIGGER comment_indexed_again ON doctor_comments;
ALTER TABLE record_search DROP CONSTRAINT record_search_record_fkey;
DELETE FROM search_reindex;
