package fhir

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

// The reasons why a reference cannot be followed.
const (
	ambiguous  = "may mean several entries of the bundle"
	invalid    = "is not valid"
	conditions = "has other conditions than one identifier"
	disagrees  = "has another person's identifier"
)

// index finds entries by a name. It has nil for a name of several entries.
type index map[string]*entry

func (x index) add(name string, e *entry) {
	if name == "" {
		return
	}
	if before, taken := x[name]; taken && !before.is(e) {
		e = nil
	}
	x[name] = e
}

// is reports whether the entries are one, or the same person twice.
func (e *entry) is(other *entry) bool {
	return e == other || e != nil && other != nil && e.person != "" && e.person == other.person && e.kind == other.kind
}

// locate records the references other than its URL that may name the entry.
func (m *mapper) locate(e *entry) {
	if e.root != "" {
		m.roots[e.root] = true
	}
	if e.root != "" || !absolute(e.fullURL) {
		m.byID.add(e.fullURL[len(e.root):], e)
	}
	if e.id != "" {
		m.byID.add(e.kind+"/"+e.id, e)
	}
	for _, i := range e.identifiers {
		if key := i.key(); key != "" {
			var who *entry // others may have it, too
			if i.own(e.kind) {
				who = e
			}
			m.byIdentifier.add(e.kind+"?identifier="+key, who)
		}
	}
}

// sourceID is the entry's identity in the system it comes from. Without a
// unique fullUrl it identifies the entry in that system alone, unless the operator
// named the system.
func (m *mapper) sourceID(e *entry) string {
	id := e.fullURL
	if id == "" && e.id != "" {
		id = e.kind + "/" + e.id
	}
	if id != "" && m.source != "" && !unique(id) {
		return m.source + "/" + id
	}
	return id
}

// beyond is the identity of an absolute reference's target in other bundles;
// "" for none.
func (m *mapper) beyond(ref string) string {
	switch {
	case unique(ref):
		return ref
	case m.source != "":
		return m.source + "/" + ref
	}
	return ""
}

var uuidURN = regexp.MustCompile(`^(?i)urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// unique reports whether a fullUrl names one thing in all bundles. A urn:uuid: without
// a UUID is a placeholder of its bundle, every machine calls itself localhost,
// and a URL with a "|" may be a person's identifier.
func unique(fullURL string) bool {
	if strings.Contains(fullURL, "|") {
		return false
	}
	if len(fullURL) > len("urn:uuid:") && strings.EqualFold(fullURL[:len("urn:uuid:")], "urn:uuid:") {
		return uuidURN.MatchString(fullURL)
	}
	host := hostOf(fullURL)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return absolute(fullURL) && host != "localhost" && (err != nil || !address.IsLoopback())
}

// absolute reports whether the reference or fullUrl has a scheme, such as http or urn.
func absolute(ref string) bool {
	i := strings.IndexAny(ref, ":/?#")
	return i > 0 && ref[i] == ':'
}

// rootOf returns the part before "Type/id" in a URL of the REST API, such as
// "https://hospital.example/fhir/", and "" for another URL.
func rootOf(fullURL, kind string) string {
	i := strings.LastIndex(fullURL, "/"+kind+"/")
	if i < 0 || hostOf(fullURL[:i]) == "" || !typeAndID(fullURL[i+1:]) {
		return ""
	}
	return fullURL[:i+1]
}

// hostOf returns the host of an HTTP URL, and "" for another URL.
func hostOf(fullURL string) string {
	scheme, rest, _ := strings.Cut(fullURL, "://")
	if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return strings.ToLower(host)
}

// typeAndID reports whether the reference has the form of "Patient/1".
func typeAndID(ref string) bool {
	kind, id, _ := strings.Cut(ref, "/")
	return kind != "" && id != "" && !strings.ContainsAny(id, "/?#")
}

// resolve returns the entry or contained resource to which a reference in the entry
// from points (hl7.org/fhir/R4/bundle.html#references). Where it finds none it returns nil,
// and in elsewhere the identity that the target may have in another bundle, "" for none.
//
// An entry whose fullUrl has no base does not say which "Type/id" it means. Then it means
// the only entry with this type and id, unless that one has a base and the
// bundle has several, or the fullUrl shows at least that it is of another host.
func (m *mapper) resolve(from *entry, ref string) (found *entry, elsewhere, fault string) {
	ref, _, _ = strings.Cut(ref, "/_history/")
	var known bool
	switch {
	case strings.HasPrefix(ref, "#"):
		found, known = from.contained()[ref]
	case absolute(ref):
		found, known = m.byURL[ref]
		elsewhere = m.beyond(ref)
	case from.root != "":
		found, known = m.byURL[from.root+ref]
		if typeAndID(ref) {
			elsewhere = m.beyond(from.root + ref)
		}
	default:
		found, known = m.byID[ref]
		severalBases := len(m.roots) > 1 && found != nil && found.root != ""
		if found != nil && (severalBases || from.host != "" && from.host != found.host) {
			found = nil
		}
		if m.source != "" && typeAndID(ref) {
			elsewhere = m.source + "/" + ref
		}
	}
	if known && found == nil {
		return nil, "", ambiguous
	}
	return found, elsewhere, ""
}

// person returns the SourceID of the patient or practitioner (kind) to whom a
// reference in the entry from points, who may have come with an earlier bundle;
// "" for anybody else.
func (m *mapper) person(kind string, from *entry, r reference) (id, fault string) {
	// A conditional reference: hl7.org/fhir/R4/http.html#trules
	if query, ok := strings.CutPrefix(r.Reference, kind+"?"); ok {
		return m.conditional(kind, query)
	}
	if of := r.kind(); of != "" && of != kind {
		return "", ""
	}
	if r.Reference == "" {
		key := r.Identifier.key()
		if key != "" && !r.Identifier.own(kind) {
			return "", ambiguous
		}
		return m.identified(kind, key)
	}
	found, elsewhere, fault := m.resolve(from, r.Reference)
	switch {
	case fault != "":
		return "", fault
	case found == nil:
		return valid(elsewhere)
	case found.kind != kind:
		return "", ""
	}
	if e := m.byIdentifier[kind+"?identifier="+r.Identifier.key()]; e != nil && e.person != found.person {
		return "", disagrees
	}
	return found.person, ""
}

// conditional returns the person whom the query of a conditional reference selects.
func (m *mapper) conditional(kind, query string) (id, fault string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", invalid
	}
	wanted := values["identifier"]
	if len(values) != 1 || len(wanted) != 1 || strings.ContainsAny(wanted[0], `,\`) { // a comma is "or"
		return "", conditions
	}
	system, value, _ := strings.Cut(wanted[0], "|")
	return m.identified(kind, identifier{System: system, Value: value}.key())
}

// kind is the resource type in the reference itself, "" when it has none.
func (r reference) kind() string {
	if kind, _, ok := strings.Cut(r.Reference, "/"); ok && !strings.Contains(kind, ":") {
		return kind
	}
	return r.Type
}

// identified returns the SourceID of the person with the identifier.
func (m *mapper) identified(kind, key string) (id, fault string) {
	if e, known := m.byIdentifier[kind+"?identifier="+key]; known {
		if e == nil {
			return "", ambiguous
		}
		return e.person, ""
	}
	return valid(key)
}

func valid(id string) (string, string) {
	if id != "" && !clinic.ValidSourceID(id) {
		return "", invalid
	}
	return id, ""
}

// concerns reports whether a subject in the entry from is the patient.
func (m *mapper) concerns(patient string, from *entry, subject reference) bool {
	id, _ := m.person("Patient", from, subject)
	return id != "" && id == patient
}

// contained returns the resources inside the entry's own by "#id". Their references have
// the same meaning as the entry's.
func (e *entry) contained() index {
	if e.inside == nil && e.resource != nil {
		e.inside = index{}
		for _, raw := range e.resource.core().Contained {
			kind, r, err := understand(raw)
			if r == nil || r.core().ID == "" {
				continue
			}
			c := &entry{number: e.number, at: e.at, kind: kind, root: e.root, host: e.host, inside: e.inside}
			if err == nil && r.core().modified() == "" {
				c.resource = r
			} else {
				c.refused = true
			}
			e.inside.add("#"+r.core().ID, c)
		}
	}
	return e.inside
}
