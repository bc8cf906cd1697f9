package token_test

import (
	"context"
	"fmt"
	"os"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/internal/token"
)

// A password is stored as its hash, which says how it was computed.
func ExampleHasher() {
	hasher, err := token.NewHasher(token.HasherOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	hash, err := hasher.Hash(context.Background(), "correct horse")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(hash[:len("$argon2id$v=19$m=19456,t=2,p=1")])
	for _, password := range []string{"correct horse", "wrong horse"} {
		ok, rehash, err := hasher.Verify(context.Background(), hash, password)
		fmt.Println(password, ok, rehash, err)
	}
	// Output:
	// $argon2id$v=19$m=19456,t=2,p=1
	// correct horse true false <nil>
	// wrong horse false false <nil>
}

// Signer and verifier share the keys of a directory, the issuer and the audience.
func ExampleSigner() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := token.GenerateKey(dir); err != nil {
		fmt.Println(err)
		return
	}
	keys, err := token.LoadKeys(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	options := token.AccessOptions{Keys: keys, Issuer: "healthrecords", Audience: "healthrecords"}
	signer, err := token.NewSigner(options)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := token.NewVerifier(options)
	if err != nil {
		fmt.Println(err)
		return
	}

	access, err := signer.Issue(clinic.Caller{UserID: 7, Role: clinic.RoleDoctor, SessionID: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, err := verifier.Verify(access)
	fmt.Println(caller.UserID, caller.Role, caller.SessionID, err)
	_, err = verifier.Verify(access + "x")
	fmt.Println(clinic.CodeOf(err))
	// Output:
	// 7 DOCTOR 3 <nil>
	// unauthenticated
}

// A second factor is stored sealed, and opens for its own user only. The codes come from the user's authenticator.
func ExampleTOTP() {
	factors, err := token.NewTOTP(token.TOTPOptions{Key: "24 characters or more, from a secret", Issuer: "healthrecords"})
	if err != nil {
		fmt.Println(err)
		return
	}
	enrollment, sealed, err := factors.Enroll(clinic.User{ID: 7, Username: "alice"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(enrollment.URL[:len("otpauth://totp/healthrecords:alice")])
	_, ok, err := factors.Check(7, sealed, "no code")
	fmt.Println(ok, err)
	_, ok, err = factors.Check(8, sealed, "no code")
	fmt.Println(ok, clinic.CodeOf(err))
	// Output:
	// otpauth://totp/healthrecords:alice
	// false <nil>
	// false internal
}
