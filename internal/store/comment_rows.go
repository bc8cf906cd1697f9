package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// commentRows are the comments that a statement of queries/comments.sql selects, in its order.
type commentRows []clinic.Comment

// commentsOfPage reads those of the records that the statement before it shows.
func commentsOfPage(private bool, into *commentRows) following {
	return following{statement{dbsqlc.CommentsOfPage, []any{private}}, into.read}
}

// read is for following. It reads the columns of a doctor once: a few doctors write most comments of a page.
func (c *commentRows) read(rows pgx.Rows) error {
	doctors := map[int64]clinic.Doctor{}
	for rows.Next() {
		var one clinic.Comment
		var doctorID int64
		err := rows.Scan(&one.ID, &one.RecordID, &one.Text, &one.Private, &one.CreatedAt, &one.UpdatedAt, &one.Version,
			&doctorID, nil, nil, nil, nil, nil, nil, nil)
		known := false
		if one.Doctor, known = doctors[doctorID]; err == nil && !known {
			one.Doctor, err = readDoctor(rows)
			doctors[doctorID] = one.Doctor
		}
		if err != nil {
			return fmt.Errorf("reading comments: %w", translate(err))
		}
		*c = append(*c, one)
	}
	return nil
}

func readDoctor(rows pgx.Rows) (d clinic.Doctor, err error) {
	d.User.Role = clinic.RoleDoctor
	err = rows.Scan(nil, nil, nil, nil, nil, nil, nil,
		&d.ID, &d.Specialization, &d.LicenseNumber, &d.YearsOfExperience, &d.User.ID, &d.User.Username, &d.User.FirstName, &d.User.LastName)
	return d, err
}

// of returns those of the record, if they are in the order of their records.
func (c commentRows) of(recordID int64) []clinic.Comment {
	byRecord := func(one clinic.Comment, id int64) int { return cmp.Compare(one.RecordID, id) }
	from, found := slices.BinarySearchFunc(c, recordID, byRecord)
	if !found {
		return nil
	}
	to, _ := slices.BinarySearchFunc(c, recordID+1, byRecord)
	return c[from:to:to]
}
