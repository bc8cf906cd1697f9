package rest

import "context"

type healthResponse struct {
	Body struct {
		Status string `json:"status" enum:"ok" example:"ok"`
	} `nameHint:"Health"`
}

// health says that the process serves HTTP, for clients. Whether it should get
// traffic is readiness, on the admin port.
func (h *handlers) health(context.Context, *struct{}) (*healthResponse, error) {
	response := &healthResponse{}
	response.Body.Status = "ok"
	return response, nil
}
