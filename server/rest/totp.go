package rest

import (
	"context"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

// What the summaries of these operations leave open.
const (
	enrolTOTPNote = "It takes the password and shows the secret, once; nothing is asked for before it is confirmed. " +
		"Authenticators take the URL as a QR code (RFC 6238: SHA-1, six digits, 30 seconds)."
	confirmTOTPNote = "With a code of the authenticator. From then on a login takes one. The recovery codes are shown once; " +
		"each logs in once where the authenticator is lost. All other sessions of the caller end. " +
		"Where the role requires a second factor, refresh the access token now: the one before is good for enrolling only."
	disableTOTPNote = "It takes the password, and ends the other sessions. The recovery codes are worth nothing any more."
)

type totpStatus struct {
	Enabled       bool `json:"enabled" doc:"A login takes a code." example:"true"`
	Required      bool `json:"required" doc:"The caller's role may do nothing without." example:"false"`
	RecoveryCodes int  `json:"recovery_codes" doc:"How many are left." example:"10"`
}

type getTOTPRequest struct{}

type getTOTPResponse struct {
	Body totpStatus
}

func (h *handlers) getTOTP(ctx context.Context, _ *getTOTPRequest) (*getTOTPResponse, error) {
	status, err := h.service.SecondFactors.Status(ctx, web.CallerOf(ctx))
	if err != nil {
		return nil, err
	}
	return &getTOTPResponse{Body: totpStatus(status)}, nil
}

type passwordRequest struct {
	Body struct {
		Password string `json:"password" maxLength:"128" doc:"The caller's own, again." example:"securepass123"`
	} `nameHint:"PasswordConfirmation"`
}

type enrolTOTPResponse struct {
	Body struct {
		Secret string `json:"secret" doc:"In base32, to be typed in." example:"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"`
		URL    string `json:"otpauth_url" doc:"To be shown as a QR code." example:"otpauth://totp/healthrecords:patient1?secret=JBSWY3DPEHPK3PXP&issuer=healthrecords"`
	} `nameHint:"TOTPEnrolment"`
}

func (h *handlers) enrolTOTP(ctx context.Context, request *passwordRequest) (*enrolTOTPResponse, error) {
	enrolment, err := h.service.SecondFactors.Enroll(ctx, web.CallerOf(ctx), request.Body.Password)
	if err != nil {
		return nil, err
	}
	response := &enrolTOTPResponse{}
	response.Body.Secret, response.Body.URL = enrolment.Secret, enrolment.URL
	return response, nil
}

type confirmTOTPRequest struct {
	Body struct {
		Code string `json:"code" pattern:"^[0-9]{6}$" doc:"Of the authenticator." example:"123456"`
	} `nameHint:"TOTPConfirmation"`
}

type confirmTOTPResponse struct {
	Body struct {
		RecoveryCodes []string `json:"recovery_codes" nullable:"false" doc:"Each logs in once; shown this once."`
	} `nameHint:"RecoveryCodes"`
}

func (h *handlers) confirmTOTP(ctx context.Context, request *confirmTOTPRequest) (*confirmTOTPResponse, error) {
	codes, err := h.service.SecondFactors.Confirm(ctx, web.CallerOf(ctx), request.Body.Code)
	if err != nil {
		return nil, err
	}
	response := &confirmTOTPResponse{}
	response.Body.RecoveryCodes = codes
	return response, nil
}

func (h *handlers) disableTOTP(ctx context.Context, request *passwordRequest) (*noContent, error) {
	return &noContent{}, h.service.SecondFactors.Disable(ctx, web.CallerOf(ctx), request.Body.Password)
}
