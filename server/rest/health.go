package rest

import "context"

type healthResponse struct {
	Body struct {
		Status string `json:"status" enum:"ok" example:"ok"`
	} `nameHint:"Health"`
}

// health tells clients that the process serves HTTP. Readiness, which decides
// whether the process gets traffic, is on the admin port.
func (h *handlers) health(context.Context, *struct{}) (*healthResponse, error) {
	response := &healthResponse{}
	response.Body.Status = "ok"
	return response, nil
}
