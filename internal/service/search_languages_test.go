package service_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/testkit"
	"github.com/healthrecords/healthrecords/internal/testkit/rights"
)

// written words, each with another form of it that a search must know.
func wordForms() map[clinic.Language][][2]string {
	return map[clinic.Language][][2]string{
		clinic.LanguageEnglish: {
			{"vaccinations", "vaccinated"},
			{"fractured", "fracture"},
			{"allergies", "allergy"},
			{"breathing", "breathe"},
			{"infections", "infection"},
			{"swollen joints", "swollen joint"},
			{"naïve", "naive"},
			{"coughing", "coughs"},
			{"bleeding", "bleeds"},
		},
		clinic.LanguageGerman: {
			{"Entzündungen", "Entzündung"},
			{"Schmerzen", "Schmerz"},
			{"Übelkeit", "übelkeiten"},
			{"Brüche", "Bruch"},
			{"Medikamente", "Medikamenten"},
			{"Größe", "Grösse"},
			{"Operationen", "Operation"},
			{"Blutungen", "Blutung"},
			{"Müdigkeit", "mudigkeit"},
		},
		clinic.LanguageFrench: {
			{"vaccinations", "vaccination"},
			{"fièvres", "fièvre"},
			{"douleurs", "douleur"},
			{"opérations", "opération"},
			{"infections", "infection"},
			{"saignements", "saignement"},
			{"fractures", "fracturé"},
			{"médicaments", "médicament"},
			{"œdèmes", "oedème"},
		},
		clinic.LanguageSpanish: {
			{"vacunas", "vacuna"},
			{"fracturas", "fractura"},
			{"alergias", "alergia"},
			{"infecciones", "infección"},
			{"dolores", "dolor"},
			{"niños", "niño"},
			{"corazones", "corazón"},
			{"cirugías", "cirugía"},
			{"hemorragias", "hemorragia"},
		},
		clinic.LanguageRussian: {
			{"прививки", "прививка"},
			{"переломы", "перелом"},
			{"аллергией", "аллергия"},
			{"инфекции", "инфекция"},
			{"головные", "головная"},
			{"лечение", "лечения"},
			{"тяжёлые", "тяжелый"},
			{"операции", "операция"},
			{"кровотечения", "кровотечение"},
		},
	}
}

// expectation is a query and the record that it must find, or else a word that must be suggested.
type expectation struct {
	query     string
	record    int64
	suggested string
}

// TestSearchKnowsTheFormsOfFiveLanguages makes 54 pairs for each language: another form, capitals, no accents, a beginning, a
// phrase, and a word with a wrong letter.
func TestSearchKnowsTheFormsOfFiveLanguages(t *testing.T) {
	t.Parallel()
	for language, words := range wordForms() {
		t.Run(string(language), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.care()
			var pairs []expectation
			for i, forms := range words {
				r := f.written(c.patient, language, fmt.Sprintf("A%d %s Z%d", i, forms[0], i))
				pairs = append(pairs, pairsOf(i, forms, r.ID)...)
			}
			if len(pairs) < 50 {
				t.Errorf("only %d pairs", len(pairs))
			}
			f.eachWay(t, func() {
				for _, p := range pairs {
					f.expect(t, c.asDoctor(), p)
				}
			})
		})
	}
}

func pairsOf(i int, forms [2]string, id int64) []expectation {
	plain := withoutAccents(forms[0])
	runes := []rune(forms[0])
	misspelled := slices.Clone([]rune(strings.Fields(forms[0])[0]))
	suggested := strings.ToLower(string(misspelled))
	misspelled[len(misspelled)-2] = 'x'
	return []expectation{
		{query: forms[1], record: id},
		{query: strings.ToUpper(forms[0]), record: id},
		{query: plain, record: id},
		{query: string(runes[:len(runes)-1]) + "*", record: id},
		{query: fmt.Sprintf(`"a%d %s"`, i, forms[0]), record: id},
		{query: string(misspelled), suggested: suggested},
	}
}

// expect checks that the query finds the record alone, or nothing with the suggestion.
func (f fixture) expect(t *testing.T, as clinic.Caller, p expectation) {
	t.Helper()
	found := f.search(t, as, p.query)
	if p.record != 0 {
		if ids := idsOf(found); len(ids) != 1 || ids[0] != p.record {
			t.Errorf("%s finds %v, want %d", p.query, ids, p.record)
		}
		return
	}
	if len(found.Items) > 0 || len(found.Suggestions) != 1 || !slices.Contains(found.Suggestions[0].Similar, p.suggested) {
		t.Errorf("%s finds %d records and suggests %v, want %s", p.query, len(found.Items), found.Suggestions, p.suggested)
	}
}

func withoutAccents(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(strings.NewReplacer("ß", "ss", "й", "й").Replace(text)))
}

// Words of private comments are suggested to doctors only, and words of others to nobody.
// TestSuggestionsCanBeFound: none is a word that only records entered in error have, which a search leaves out.
func TestSuggestionsCanBeFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	marked := f.written(c.patient, "", "hippopotamus")
	testkit.Value(f.Records.MarkInError(t.Context(), c.asPatient(), marked.ID, "of another person", nil))(t)
	f.eachWay(t, func() {
		for _, query := range []string{"hippopotamus", "hippopotamos"} {
			if found := f.search(t, c.asPatient(), query); found.Total != 0 || len(found.Suggestions) != 0 {
				t.Errorf("%s finds %d, and suggests %v", query, found.Total, found.Suggestions)
			}
		}
	})
}

func TestSuggestionsAreFromWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.care()
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Text: "Suspected melanoma", Private: true})
	f.db.Comment(testkit.CommentOptions{Record: c.record, Doctor: c.doctor, Text: "Public eczema"})
	f.written(f.db.Patient(testkit.PatientOptions{}), "", "Foreign tuberculosis")
	f.eachWay(t, func() {
		for query, want := range map[string]string{"melanona": "doctor", "eczena": "both", "tuberkulosis": ""} {
			if got := len(f.search(t, c.asDoctor(), query).Suggestions) > 0; got != (want != "") {
				t.Errorf("%s has suggestions for the doctor: %t", query, got)
			}
			if got := len(f.search(t, c.asPatient(), query).Suggestions) > 0; got != (want == "both") {
				t.Errorf("%s has suggestions for the patient: %t", query, got)
			}
		}
	})
}

// TestSearchInOtherDatabases: the locale and the schema of the extensions are the choice of whoever runs Postgres.
func TestSearchInOtherDatabases(t *testing.T) {
	t.Parallel()
	base := testkit.NewDatabase(t, rights.Migrate)
	server := testkit.NewFactory(t, base)
	for name, options := range map[string]string{
		"turkish":    `TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C.UTF-8'`,
		"extensions": `TEMPLATE template0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			location := testkit.Value(url.Parse(base))(t)
			location.Path += "_" + name
			database := pgx.Identifier{strings.TrimPrefix(location.Path, "/")}.Sanitize()
			server.Exec(`CREATE DATABASE ` + database + ` ` + options)
			t.Cleanup(func() { server.Exec(`DROP DATABASE ` + database) })
			if name == "extensions" { // in a schema that the parts of the platform may not use
				db := testkit.NewFactory(t, location.String())
				db.Exec(`CREATE SCHEMA app`)
				db.Exec(`CREATE SCHEMA ext`)
				for _, extension := range []string{"btree_gist", "pg_trgm", "unaccent"} {
					db.Exec(`CREATE EXTENSION ` + extension + ` SCHEMA ext`)
				}
				db.Exec(`ALTER DATABASE ` + database + ` SET search_path = app, ext`)
			}
			testkit.Must(t, rights.Migrate(t.Context(), location.String()))
			f := newFixtureOn(t, location.String())
			c := f.care()
			written := f.written(c.patient, "en", "INFECTIONS, Größe CAFÉ")
			f.eachWay(t, func() {
				for _, query := range []string{"infection", "INFEC*", "grosse", "cafe"} {
					if found := f.search(t, c.asDoctor(), query); !slices.Equal(idsOf(found), []int64{written.ID}) || len(found.Items[0].Highlights) != 1 {
						t.Errorf("%s finds %v", query, found.Items)
					}
				}
				if found := f.search(t, c.asDoctor(), "INFEKTIONS"); len(found.Suggestions) != 1 || found.Suggestions[0].Similar[0] != "infections" {
					t.Errorf("%v is suggested", found.Suggestions)
				}
			})
		})
	}
}
