package rest

import (
	"context"

	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	enrolTOTPNote = "Requires the password. The answer contains the secret, which is not shown again. Show `otpauth_url` as a QR code, which " +
		"authenticator apps can scan (RFC 6238: SHA-1, six digits, 30 seconds). Logins require no code until the second factor is confirmed."
	confirmTOTPNote = "Requires a code from the authenticator app. Logins require a code from then on, and all other sessions of the caller end. " +
		"The answer contains recovery codes, which are not shown again. Each of them works for one login, in case the authenticator is lost.\n\n" +
		"If the caller's role requires a second factor, refresh the access token now: the old one works only for the enrollment."
	disableTOTPNote = "Requires the password. All other sessions of the caller end, and the recovery codes stop working."
)

type totpStatus struct {
	Enabled       bool `json:"enabled" doc:"Whether logins require a code." example:"true"`
	Required      bool `json:"required" doc:"Whether the caller's role requires a second factor." example:"false"`
	RecoveryCodes int  `json:"recovery_codes" doc:"How many recovery codes are unused." example:"10"`
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
		Password string `json:"password" maxLength:"128" doc:"The caller's password." example:"securepass123"`
	} `nameHint:"PasswordConfirmation"`
}

type enrolTOTPResponse struct {
	Body struct {
		Secret string `json:"secret" doc:"The secret in base32, for typing it into an authenticator app." example:"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"`
		URL    string `json:"otpauth_url" doc:"The secret as a URL, for showing it as a QR code." example:"otpauth://totp/healthrecords:patient1?secret=JBSWY3DPEHPK3PXP&issuer=healthrecords"`
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
		Code string `json:"code" pattern:"^[0-9]{6}$" doc:"The current code from the authenticator app." example:"123456"`
	} `nameHint:"TOTPConfirmation"`
}

type confirmTOTPResponse struct {
	Body struct {
		RecoveryCodes []string `json:"recovery_codes" nullable:"false" doc:"Each works for one login. They are not shown again."`
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
