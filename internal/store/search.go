package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store/dbsqlc"
)

// Search finds the caller's records that match, best first. Records without a language are in the given one.
func (h Records) Search(ctx context.Context, search clinic.Search, language clinic.Language, request clinic.PageRequest) (clinic.SearchResult, error) {
	s := searching{handle: h.handle, search: search, language: language}
	page, err := readPage(listing[*dbsqlc.SearchRecordsRow, clinic.SearchHit]{
		page:  request,
		read:  func(w window) ([]*dbsqlc.SearchRecordsRow, error) { return s.read(ctx, w) },
		item:  func(r *dbsqlc.SearchRecordsRow) (clinic.SearchHit, error) { return s.hit(r), nil },
		total: func(*dbsqlc.SearchRecordsRow) counted { return s.total },
		count: func() (counted, error) { return s.total, nil },
		position: func(hit clinic.SearchHit) (string, int64) {
			return searchKey{hit.Rank, hit.VisitDate}.String(), hit.ID
		},
	})
	if err != nil {
		return clinic.SearchResult{}, fmt.Errorf("searching records: %w", err)
	}
	return clinic.SearchResult{Page: page, Complete: s.complete}, nil
}

// searching is one search: its statement also tells what its rows have in common.
type searching struct {
	handle
	search   clinic.Search
	language clinic.Language

	total      counted
	complete   bool
	comments   commentRows
	highlights []*dbsqlc.HighlightsOfPageRow
}

func (s *searching) read(ctx context.Context, w window) ([]*dbsqlc.SearchRecordsRow, error) {
	since, until := bounds(s.search.Filter.From, s.search.Filter.To)
	key, err := parseSearchKey(w)
	if err != nil {
		return nil, err
	}
	terms := termsOf(s.search.Terms)
	reads := s.auditing(ofPatient(clinic.ObjectRecord, s.search.Filter.PatientID), w.shown()).
		followedBy(commentsOfPage(s.seesPrivate(), &s.comments)).
		followedBy(s.highlightsOfPage(terms))
	rows, err := s.q.SearchRecords(ctx, reads.db, dbsqlc.SearchRecordsParams{
		Terms: terms.texts, Prefixes: terms.prefixes, Exclusions: terms.exclusions, DefaultLanguage: string(s.language),
		RecordTypes: storedTypes(s.search.Filter), PatientID: s.search.Filter.PatientID, Since: since, Until: until,
		BeyondRank: key.rank, BeyondDate: key.date, BeyondID: w.beyondID(false), Back: w.Back, Most: w.Limit,
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, clinic.Internal(errors.New("a search returned no row"))
	}
	s.total, s.complete = upTo(rows[0].Total), rows[0].Complete
	return slices.DeleteFunc(rows, func(r *dbsqlc.SearchRecordsRow) bool { return r.ID == 0 }), nil
}

func (s *searching) highlightsOfPage(terms searchTerms) following {
	args := []any{string(s.language), terms.texts, terms.prefixes, terms.exclusions, s.seesPrivate()}
	return following{statement{dbsqlc.HighlightsOfPage, args}, func(rows pgx.Rows) (err error) {
		s.highlights, err = pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[dbsqlc.HighlightsOfPageRow])
		if err != nil {
			return fmt.Errorf("reading highlights: %w", translate(err))
		}
		return nil
	}}
}

func (s *searching) hit(r *dbsqlc.SearchRecordsRow) clinic.SearchHit {
	record := recordOf(dbsqlc.RecordDetail{
		ID: r.ID, PatientID: r.PatientID, CreatedBy: r.CreatedBy, RecordType: r.RecordType,
		Title: r.Title, Description: r.Description, Symptoms: r.Symptoms, Diagnosis: r.Diagnosis, Treatment: r.Treatment,
		Medications: r.Medications, VisitDate: r.VisitDate, Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		Username: r.Username, Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Role: r.Role,
		ErrorReason: r.ErrorReason, Language: r.Language,
	}, s.comments.of(r.ID))
	hit := clinic.SearchHit{Record: record, Rank: r.Rank}
	for _, marked := range s.highlights {
		if marked.RecordID != record.ID {
			continue
		}
		if highlight, found := clinic.HighlightOf(textOf(record, marked), marked.Plain); found {
			highlight.Field, highlight.CommentID = marked.Field, marked.CommentID
			hit.Highlights = append(hit.Highlights, highlight)
		}
	}
	return hit
}

// textOf is the text whose words are marked.
func textOf(r clinic.Record, marked *dbsqlc.HighlightsOfPageRow) string {
	switch marked.Field {
	case "title":
		return r.Title
	case "description":
		return r.Description
	case "symptoms":
		return r.Symptoms
	case "diagnosis":
		return r.Diagnosis
	case "treatment":
		return r.Treatment
	case "medications":
		return r.Medications
	}
	for _, c := range r.Comments {
		if c.ID == marked.CommentID {
			return c.Text
		}
	}
	return ""
}

// SimilarWords finds words of the caller's latest records that are like those that match none of their records.
func (h Records) SimilarWords(ctx context.Context, words []string, language clinic.Language) ([]clinic.Suggestion, error) {
	rows, err := h.q.SimilarWords(ctx, h.db, dbsqlc.SimilarWordsParams{
		Words: words, DefaultLanguage: string(language), RecordTypes: storedTypes(clinic.RecordFilter{}), Most: recordsOfSuggestions,
		SeesPrivate: h.seesPrivate(),
	})
	if err != nil {
		return nil, fmt.Errorf("looking for similar words: %w", translate(err))
	}
	var found []clinic.Suggestion
	for _, r := range rows {
		if last := len(found) - 1; last < 0 || found[last].Word != r.Word {
			found = append(found, clinic.Suggestion{Word: r.Word})
		}
		last := &found[len(found)-1]
		last.Similar = append(last.Similar, r.SimilarWord)
	}
	return found, nil
}

// recordsOfSuggestions is from how many records suggestions come. A thousand took ten times as long as the search itself.
const recordsOfSuggestions = 250

// searchTerms are the terms of a query, as search_query takes them.
type searchTerms struct {
	texts                []string
	prefixes, exclusions []bool
}

func termsOf(terms []clinic.SearchTerm) (t searchTerms) {
	for _, term := range terms {
		t.texts = append(t.texts, term.Text)
		t.prefixes, t.exclusions = append(t.prefixes, term.Prefix), append(t.exclusions, term.Excluded)
	}
	return t
}

// searchKey is the place of a record among those that match, before its id.
type searchKey struct {
	rank float32
	date time.Time
}

// String is the key of a cursor.
func (k searchKey) String() string {
	return strconv.FormatFloat(float64(k.rank), 'g', -1, 32) + " " + k.date.Format(time.RFC3339Nano)
}

// parseSearchKey reads the position of the window, which is before the best one if it has none.
func parseSearchKey(w window) (searchKey, error) {
	if w.ID == 0 {
		return searchKey{float32(math.Inf(1)), endOfTime()}, nil
	}
	wrong := clinic.Invalid("cursor", "this is not a cursor of a search")
	number, date, found := strings.Cut(w.Key, " ")
	rank, errRank := strconv.ParseFloat(number, 32)
	at, errDate := time.Parse(time.RFC3339Nano, date)
	if !found || errRank != nil || errDate != nil || math.IsNaN(rank) || at.Year() < 1 || at.Year() > 9999 {
		return searchKey{}, wrong
	}
	return searchKey{float32(rank), at}, nil
}
