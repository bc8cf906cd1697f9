package store

import (
	"context"
	"fmt"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// OfDoctor lists the calling doctor's current patients, by patient id.
func (h Patients) OfDoctor(ctx context.Context, request clinic.PageRequest) (clinic.Page[clinic.PatientSummary], error) {
	page, err := readPage(listing[*dbsqlc.ListPatientsOfDoctorRow, clinic.PatientSummary]{
		page: request,
		read: func(w window) ([]*dbsqlc.ListPatientsOfDoctorRow, error) {
			return h.q.ListPatientsOfDoctor(ctx, h.auditing(clinic.Object{Kind: clinic.ObjectPatient}, w.shown()).reading(w), dbsqlc.ListPatientsOfDoctorParams{
				Caller: h.Who.UserID, BeyondID: w.beyondID(!w.Back), Most: w.Limit, Skip: w.Offset, CountUpTo: countUpTo,
			})
		},
		item: func(r *dbsqlc.ListPatientsOfDoctorRow) (clinic.PatientSummary, error) {
			p := clinic.PatientSummary{Patient: patientOf(r.PatientProfile, r.Account), TotalRecords: int(r.TotalRecords)}
			if p.TotalRecords > 0 {
				p.LastVisit = &r.LastVisit
			}
			return p, nil
		},
		total: func(r *dbsqlc.ListPatientsOfDoctorRow) counted { return counted{r.Total, r.TotalIsLowerBound} },
		count: func() (counted, error) {
			row, err := h.q.CountPatientsOfDoctor(ctx, h.db, countUpTo)
			if err != nil {
				return counted{}, err
			}
			return counted{row.Total, row.TotalIsLowerBound}, nil
		},
		position: byID(func(p clinic.PatientSummary) int64 { return p.ID }),
	})
	if err != nil {
		return clinic.Page[clinic.PatientSummary]{}, fmt.Errorf("listing a doctor's patients: %w", err)
	}
	return page, nil
}
