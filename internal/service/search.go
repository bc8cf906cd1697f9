package service

import (
	"context"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/store"
)

const onlySearchers = "only patients and doctors may search health records"

// Search is the use case of searching health records.
type Search struct {
	db       *store.DB
	language clinic.Language
	turns    *searchTurns
}

// NewSearch returns the use case. Records without a language are in the given one; "" means LanguageSimple.
func NewSearch(db *store.DB, language clinic.Language) *Search {
	return &Search{db: db, language: orSimple(language), turns: newSearchTurns(db.Stat().MaxConns())}
}

// Records finds the records that match among those that the caller may read, best first. If there are none, it suggests
// similar words of these records.
func (s *Search) Records(ctx context.Context, caller clinic.Caller, search clinic.Search, page clinic.PageRequest) (clinic.SearchResult, error) {
	object := clinic.Object{Kind: clinic.ObjectRecord}
	if err := admit(ctx, s.db, caller, object, require(caller, onlySearchers, clinic.RolePatient, clinic.RoleDoctor)); err != nil {
		return clinic.SearchResult{}, err
	}
	if err := search.Validate(); err != nil {
		return clinic.SearchResult{}, err
	}
	give, err := s.turns.take(ctx, caller.UserID)
	if err != nil {
		return clinic.SearchResult{}, err
	}
	defer give()
	found, err := s.db.As(caller).Records().Search(ctx, search, s.language, page)
	if err != nil {
		return clinic.SearchResult{}, err
	}
	if found.Total > 0 {
		return found, nil
	}
	if found.Page, err = explained(ctx, s.db, caller, found.Page, nil); err != nil {
		return clinic.SearchResult{}, err
	}
	if words := search.Words(); len(words) > 0 && found.Notice == nil {
		found.Suggestions, err = s.db.As(caller).Records().SimilarWords(ctx, words, s.language)
	}
	return found, err
}

func orSimple(language clinic.Language) clinic.Language {
	if language == "" {
		return clinic.LanguageSimple
	}
	return language
}

// SearchIndex has the use cases that keep the search index. None of them tells what a record holds.
type SearchIndex struct {
	db       *store.DB
	language clinic.Language
}

// NewSearchIndex returns the use cases. Records without a language are in the given one; "" means LanguageSimple.
func NewSearchIndex(db *store.DB, language clinic.Language) *SearchIndex {
	return &SearchIndex{db: db, language: orSimple(language)}
}

// IndexPending indexes up to limit changes, the oldest first, and returns how many it took: 0 while another program indexes.
func (s *SearchIndex) IndexPending(ctx context.Context, limit int) (int, error) {
	return s.db.System().SearchIndex().IndexPending(ctx, limit, s.language)
}

// Reindex indexes the next records, up to limit, of the run over all records. It returns how many: 0 when the run has ended, or
// while another program indexes.
func (s *SearchIndex) Reindex(ctx context.Context, limit int) (int, error) {
	return s.db.System().SearchIndex().Reindex(ctx, limit, s.language)
}

// Restart lets the run over all records begin again, for the command line.
func (s *SearchIndex) Restart(ctx context.Context) error {
	return s.db.System().SearchIndex().Restart(ctx)
}

// State returns the state of the index.
func (s *SearchIndex) State(ctx context.Context) (clinic.SearchState, error) {
	return s.db.System().SearchIndex().State(ctx)
}
