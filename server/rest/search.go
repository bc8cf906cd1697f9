package rest

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

const searchRecordsNote = "Patients search their own records; doctors search the records of their current patients. A record is found by its title, " +
	"its texts and the comments on it; private comments count for doctors only. All words of the query must occur, in any form that the " +
	"record's language knows; accents and case make no difference. `\"Words in quotation marks\"` must follow each other, `diab*` finds words " +
	"that begin so, and `-surgery` leaves out records with the word. The best match comes first. The query is in the body, so that it is " +
	"in no URL. The query of each page is the same; `cursor` says where the page begins."

type searchFilters struct {
	RecordType     clinic.RecordType `json:"record_type,omitempty" enum:"CHECKUP,DIAGNOSIS,PRESCRIPTION,LAB_RESULT,EMERGENCY" example:"CHECKUP"`
	Patient        int64             `json:"patient,omitempty" minimum:"1" doc:"Only the records of this patient." example:"1"`
	From           string            `json:"from,omitempty" maxLength:"35" doc:"Only visits at or after this time or day, such as 2025-01-01." example:"2025-01-01"`
	To             string            `json:"to,omitempty" maxLength:"35" doc:"Only visits before this time, or up to the end of this day." example:"2025-12-31"`
	EnteredInError bool              `json:"entered_in_error,omitempty" doc:"Only records that were marked as entered in error, which are left out otherwise." example:"false"`
}

type searchInput struct {
	Query   string        `json:"query" minLength:"1" maxLength:"200" doc:"Words, \"phrases\", -exclusions and beginnings*; at most 16." example:"annual physical"`
	Filters searchFilters `json:"filters,omitzero"`
	web.BodyPage
}

// Resolve implements huma.Resolver.
func (s *searchInput) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error {
		search := clinic.Search{Query: s.Query}
		return search.Validate()
	})
}

type searchRecordsRequest struct {
	Body searchInput
}

type textRange struct {
	Start int `json:"start" doc:"The first character, counted in Unicode code points from 0." example:"0"`
	End   int `json:"end" doc:"The character after the last one." example:"6"`
}

type highlight struct {
	Field   string      `json:"field" enum:"title,description,symptoms,diagnosis,treatment,medications,doctor_comments" example:"title"`
	Comment *int64      `json:"comment,omitempty" doc:"The id of the comment, for doctor_comments; otherwise omitted." example:"1"`
	Text    string      `json:"text" doc:"The text, or a part of a long one. It is plain text and not HTML." example:"Annual Physical"`
	Ranges  []textRange `json:"ranges" nullable:"false" doc:"Where words of the query are in text."`
}

type searchHit struct {
	Record     healthRecord `json:"record"`
	Rank       float32      `json:"rank" doc:"How well the record matches. Only the order of the ranks of one search has a meaning." example:"0.1"`
	Highlights []highlight  `json:"highlights" nullable:"false" doc:"The texts of the record in which words of the query are."`
}

type suggestion struct {
	Word    string   `json:"word" doc:"A word of the query that matches no record." example:"phisical"`
	Similar []string `json:"similar" nullable:"false" doc:"Similar words of your latest records, the most similar first." example:"[\"physical\"]"`
}

type searchAnswer struct {
	Count    int  `json:"count" doc:"The number of records that match, up to 1,000." example:"1"`
	AtLeast  bool `json:"count_is_lower_bound,omitempty" doc:"True if more records match than count says; otherwise omitted."`
	Complete bool `json:"complete" doc:"False if some records are not indexed yet: after an upgrade, or after very many changes. Search again later." example:"true"`
	web.BodyCursors
	Notice      *web.Notice  `json:"notice,omitempty" doc:"Why the list is empty, if the reason is not that nothing matches; otherwise omitted."`
	Suggestions []suggestion `json:"suggestions" nullable:"false" doc:"If nothing matches: words similar to those of the query that match no record."`
	Results     []searchHit  `json:"results" nullable:"false"`
}

type searchRecordsResponse struct {
	Body searchAnswer
}

func newHighlight(h clinic.Highlight) highlight {
	return highlight{
		Field: h.Field, Comment: orNull(h.CommentID), Text: h.Text,
		Ranges: web.Views(h.Ranges, func(r clinic.Range) textRange { return textRange(r) }),
	}
}

func newSearchHit(h clinic.SearchHit) searchHit {
	return searchHit{Record: newHealthRecord(h.Record), Rank: h.Rank, Highlights: web.Views(h.Highlights, newHighlight)}
}

func (h *handlers) searchRecords(ctx context.Context, request *searchRecordsRequest) (*searchRecordsResponse, error) {
	sent := request.Body
	search := clinic.Search{Query: sent.Query, Filter: clinic.RecordFilter{
		Type: sent.Filters.RecordType, PatientID: sent.Filters.Patient, EnteredInError: sent.Filters.EnteredInError,
	}}
	var errFrom, errTo error
	search.Filter.From, errFrom = parseBound("filters.from", sent.Filters.From, 0)
	search.Filter.To, errTo = parseBound("filters.to", sent.Filters.To, 1)
	page, errPage := sent.PageRequest()
	if err := together(errFrom, errTo, errPage); err != nil {
		return nil, err
	}
	found, err := h.service.Search.Records(ctx, web.CallerOf(ctx), search, page)
	if err != nil {
		return nil, err
	}
	return &searchRecordsResponse{searchAnswer{
		Count: found.Total, AtLeast: found.AtLeast, Complete: found.Complete, BodyCursors: web.CursorsOf(found.Next, found.Previous),
		Notice:      web.NewNotice(found.Notice),
		Suggestions: web.Views(found.Suggestions, func(s clinic.Suggestion) suggestion { return suggestion{s.Word, s.Similar} }),
		Results:     web.Views(found.Items, newSearchHit),
	}}, nil
}
