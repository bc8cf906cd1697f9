//go:build e2e

package e2e

import (
	"net/http"
	"testing"
	"time"
)

// upgrade installs the previous release on an empty database, upgrades it to this tree with other values, and rolls back.
// No request may fail, and everything that was written before must stay readable.
func upgrade(t *testing.T, c cluster) {
	if c.previous.image == "" {
		t.Skip("UPGRADE=0 leaves it out: the previous release is built from the repository's history, which is not there")
	}
	c.removeEverything(t)
	if err := c.deploy(t.Context(), c.previous); err != nil {
		t.Fatal(err)
	}
	c.awaitAnswer(t)
	before := c.writeBefore(t)
	l := c.startLoad(t, "upgrade")
	l.awaitMore(t, 20, time.Minute)
	if err := c.deploy(t.Context(), c.present, "log.level=debug", "server.databaseMaxConns=15"); err != nil {
		t.Fatal(err)
	}
	c.expectReadable(t, before)
	l.awaitMore(t, 20, time.Minute)
	if _, err := c.helm(t.Context(), "rollback", release, "--wait", "--timeout", "3m"); err != nil {
		t.Fatal(err)
	}
	c.expectReadable(t, before)
	l.awaitMore(t, 20, time.Minute)
	l.finish(t)
	l.expectNoFailure(t)
}

// removeEverything uninstalls the release, and removes everything that stays: objects, Secrets and volumes. It removes the
// objects first, while a controller can end their assignments.
func (c cluster) removeEverything(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	if _, err := c.kubectl(ctx, "delete", "doctorassignments", "--all", "--timeout=1m"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.helm(ctx, "uninstall", release, "--wait", "--timeout", "2m"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.kubectl(ctx, "delete", "secrets,persistentvolumeclaims", "--all", "--timeout=1m"); err != nil {
		t.Fatal(err)
	}
}

// written is the data that a patient and a doctor have written.
type written struct {
	patient, doctor account
	record          int64
}

// writeBefore lets a patient write a record, on which a declared doctor comments.
func (c cluster) writeBefore(t *testing.T) written {
	t.Helper()
	ctx := t.Context()
	w := written{patient: c.mustRegister(t, "before-patient", "PATIENT"), doctor: c.mustRegister(t, "before-doctor", "DOCTOR")}
	if _, err := c.kubectlInput(ctx, declaration("before", w.doctor, w.patient), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	c.awaitReady(t, "before")
	record, err := c.createRecord(ctx, w.patient)
	if err != nil {
		t.Fatal(err)
	}
	w.record = record
	if err := c.comment(ctx, w.doctor, record); err != nil {
		t.Fatal(err)
	}
	c.awaitNotified(t, w.patient, "COMMENT_ADDED", 1)
	return w
}

// expectReadable lets both log in again and read their data. Each notification must exist once.
func (c cluster) expectReadable(t *testing.T, w written) {
	t.Helper()
	ctx := t.Context()
	c.awaitReady(t, "before")
	for _, before := range []account{w.patient, w.doctor} {
		now, err := c.logIn(ctx, before.username, password)
		if err != nil {
			t.Fatal(err)
		}
		if now.profileID != before.profileID {
			t.Errorf("%s has the profile %d, before %d", now.username, now.profileID, before.profileID)
		}
		if err := c.readRecord(ctx, now, w.record, http.StatusOK); err != nil {
			t.Error(err)
		}
	}
	if err := c.notified(ctx, w.patient, "COMMENT_ADDED", 1); err != nil {
		t.Error(err)
	}
	if err := c.notified(ctx, w.doctor, "NEW_RECORD", 1); err != nil {
		t.Error(err)
	}
}
