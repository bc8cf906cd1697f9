package kubectl

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The answers of the REST API, as far as the plugin reads them. See api/openapi.yaml.
type (
	apiUser struct {
		Username  string `json:"username"`
		PatientID *int64 `json:"patient_id"`
		DoctorID  *int64 `json:"doctor_id"`
	}
	apiProfile struct {
		Username string `json:"username"`
		UserType string `json:"user_type"`
	}
	apiPerson struct {
		User *struct {
			Username string `json:"username"`
		} `json:"user"`
	}
	apiAssignment struct {
		ID      int64     `json:"id"`
		Patient apiPerson `json:"patient"`
		Doctor  apiPerson `json:"doctor"`
		apiClaim
		StartsAt time.Time  `json:"starts_at"`
		EndsAt   *time.Time `json:"ends_at"`
		Claims   []apiClaim `json:"claims"`
	}
	apiClaim struct {
		Source      string     `json:"source"`
		DeclaredBy  *string    `json:"declared_by"`
		RequestedBy *string    `json:"requested_by"`
		Reason      string     `json:"reason"`
		Since       *time.Time `json:"since"`
		Until       *time.Time `json:"until"`
		Held        bool       `json:"held"`
	}
)

// breakGlass is the source of an emergency's assignment.
const breakGlass = "break_glass"

func (p apiPerson) name() string {
	if p.User == nil {
		return ""
	}
	return p.User.Username
}

// access asks the API who has access now. The note says what the answer may lack; it is "" if the answer is complete.
func (a *api) access(ctx context.Context, question question, now time.Time) (rows []access, note string, err error) {
	var caller apiProfile
	if err := a.get(ctx, "/api/auth/profile/", nil, &caller); err != nil {
		return nil, "", err
	}
	query := url.Values{"is_active": {"true"}}
	administrator := caller.UserType == "ADMIN"
	if administrator {
		id, err := a.find(ctx, question)
		if err != nil {
			return nil, "", err
		}
		if id == 0 {
			return nil, "the REST API knows no " + question.role() + " with this username", nil
		}
		query.Set(question.role(), fmt.Sprint(id))
	} else if !strings.EqualFold(caller.Username, question.username) {
		note = "the REST API shows the token's user only their own assignments; an administrator's token shows all"
	}
	var found []apiAssignment
	complete, err := list(ctx, a, "/api/assignments/", query, func(assignment apiAssignment) bool {
		if strings.EqualFold(question.subject(assignment), question.username) {
			found = append(found, assignment)
		}
		return true
	})
	if err != nil {
		return nil, "", err
	}
	if !complete {
		note = fmt.Sprintf("the REST API has more assignments than the %d that were read", maxPages*pageSize)
	}
	for i, assignment := range found {
		if administrator && i < maxDetailed { // only then does the answer have the claims
			if err := a.get(ctx, fmt.Sprintf("/api/assignments/%d/", assignment.ID), nil, &assignment); err != nil {
				return nil, "", err
			}
		}
		rows = append(rows, assignment.rows(now)...)
	}
	if administrator && len(found) > maxDetailed {
		note = fmt.Sprintf("the claims of only the first %d assignments were read; of the others, the first claim is shown", maxDetailed)
	}
	return rows, note, nil
}

// find returns the id of the profile of the user in question; 0 if they do not exist or have no such profile.
func (a *api) find(ctx context.Context, question question) (id int64, err error) {
	query := url.Values{"search": {question.username}, "user_type": {strings.ToUpper(question.role())}}
	_, err = list(ctx, a, "/api/users/", query, func(user apiUser) bool {
		if !strings.EqualFold(user.Username, question.username) {
			return true
		}
		profile := user.PatientID
		if question.aboutDoctor {
			profile = user.DoctorID
		}
		if profile != nil {
			id = *profile
		}
		return false
	})
	return id, err
}

// rows are the claims by which the assignment gives access now. An assignment without claims is a row itself. So is that of
// an emergency: claims of the same pair belong to another assignment.
func (a apiAssignment) rows(now time.Time) (rows []access) {
	for _, claim := range a.Claims {
		early, late := claim.Since != nil && claim.Since.After(now), claim.Until != nil && !claim.Until.After(now)
		if a.Source != breakGlass && !claim.Held && !early && !late {
			rows = append(rows, a.row(claim))
		}
	}
	if len(rows) == 0 {
		whole := a.apiClaim
		whole.Since, whole.Until = &a.StartsAt, a.EndsAt
		rows = append(rows, a.row(whole))
	}
	return rows
}

func (a apiAssignment) row(claim apiClaim) access {
	row := access{
		Doctor: a.Doctor.name(), Patient: a.Patient.name(), Access: accessYes, Reason: claim.Reason,
		Through: claim.Source, Since: optional(claim.Since), Until: optional(claim.Until), SeenIn: []string{seenInAPI},
	}
	if claim.DeclaredBy != nil {
		row.Through = throughObject(*claim.DeclaredBy)
	}
	if claim.RequestedBy != nil {
		row.RequestedBy = *claim.RequestedBy
	}
	return row
}
