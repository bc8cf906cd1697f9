package rest

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
)

const listKeysNote = "The answer is a JSON Web Key Set (RFC 7517, RFC 8037). A new key is published at least 10 minutes before it signs a token. " +
	"An old key stays until its last token has expired."

// keysMaxAge is well below the time for which a new key is published before it
// signs (token.KeyDelay). A client that caches the keys this long always has
// the key of a token.
const keysMaxAge = "public, max-age=300"

// jwk is an Ed25519 key (RFC 8037 section 2).
type jwk struct {
	KeyType   string `json:"kty" enum:"OKP"`
	Curve     string `json:"crv" enum:"Ed25519"`
	Use       string `json:"use" enum:"sig"`
	Algorithm string `json:"alg" enum:"EdDSA"`
	ID        string `json:"kid" doc:"The key's id, which is in the header of each token that it signed." example:"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"`
	X         string `json:"x" doc:"The public key." example:"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
}

type jwkSet struct {
	Keys []jwk `json:"keys" nullable:"false"`
}

// ContentType implements huma.ContentTypeFilter.
func (jwkSet) ContentType(string) string { return "application/jwk-set+json" }

type listKeysRequest struct{}

type listKeysResponse struct {
	CacheControl string `header:"Cache-Control"`
	Body         jwkSet
}

func (h *handlers) listKeys(context.Context, *listKeysRequest) (*listKeysResponse, error) {
	response := &listKeysResponse{CacheControl: keysMaxAge, Body: jwkSet{Keys: []jwk{}}}
	for id, public := range h.keys() {
		response.Body.Keys = append(response.Body.Keys, jwk{
			KeyType: "OKP", Curve: "Ed25519", Use: "sig", Algorithm: "EdDSA", ID: id, X: base64.RawURLEncoding.EncodeToString(public),
		})
	}
	slices.SortFunc(response.Body.Keys, func(a, b jwk) int { return cmp.Compare(a.ID, b.ID) })
	return response, nil
}
