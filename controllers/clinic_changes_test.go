package controllers

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// change changes the clinic without the controller.
func (f *fakeClinic) change(how func()) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	how()
}

// claim adds a claim of REST, and end ends all claims of a pair behind everybody's back. force is what an administrator does
// to end a pair for good, and lift takes that back.
func (f *fakeClinic) claim(doctor, patient string) {
	f.change(func() {
		if f.claims[pair{doctor, patient}] == nil {
			f.claims[pair{doctor, patient}] = map[string]fakeClaim{}
		}
		f.claims[pair{doctor, patient}][""] = fakeClaim{}
	})
}

func (f *fakeClinic) end(doctor, patient string) {
	f.change(func() { delete(f.claims, pair{doctor, patient}) })
}

func (f *fakeClinic) force(doctor, patient string) {
	f.change(func() {
		claims := f.claims[pair{doctor, patient}]
		for owner, claim := range claims {
			claim.held = f.declared[owner].Generation
			claims[owner] = claim
		}
		delete(claims, "")
	})
}

func (f *fakeClinic) lift(doctor, patient string) {
	f.change(func() {
		for owner, claim := range f.claims[pair{doctor, patient}] {
			if claim.held > 0 {
				delete(f.claims[pair{doctor, patient}], owner)
			}
		}
	})
}

// claimed reports whether the owner claims the pair, now or later; "" is REST.
func (f *fakeClinic) claimed(uid, doctor, patient string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	_, own, _ := f.look(pair{doctor, patient}, uid, f.now())
	return own > 0
}

// assigned reports whether the doctor has access to the patient now.
func (f *fakeClinic) assigned(doctor, patient string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	assigned, _, _ := f.look(pair{doctor, patient}, "", f.now())
	return assigned > 0
}

func (f *fakeClinic) declareCount() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.declares
}

func (f *fakeClinic) callCount() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.calls
}

// releasing is a clinic that calls back before it releases.
type releasing struct {
	*fakeClinic
	before func()
}

func (r releasing) Release(ctx context.Context, owner clinic.Owner) (int, error) {
	r.before()
	return r.fakeClinic.Release(ctx, owner)
}
