package server

import (
	"context"
	"time"

	"github.com/healthrecords/healthrecords/internal/clinic"
)

type comment struct {
	ID        int64     `json:"id" example:"1"`
	Comment   string    `json:"comment" example:"Patient shows good health indicators."`
	IsPrivate bool      `json:"is_private" doc:"For doctors only." example:"false"`
	CreatedAt time.Time `json:"created_at" example:"2025-05-27T11:00:00Z"`
	Doctor    doctor    `json:"doctor"`
}

func newComment(c clinic.Comment) comment {
	return comment{ID: c.ID, Comment: c.Text, IsPrivate: c.Private, CreatedAt: c.CreatedAt.UTC(), Doctor: newDoctor(c.Doctor)}
}

type listCommentsRequest struct {
	Paging
	ID int64 `path:"id" doc:"The record's id."`
}

func (h *handlers) listComments(ctx context.Context, request *listCommentsRequest) (*pageResponse[comment], error) {
	found, err := h.service.Comments.List(ctx, callerOf(ctx), request.ID, request.request)
	if err != nil {
		return nil, err
	}
	return answerPage(request.Paging, h.here(ctx), found, newComment)
}

type addCommentRequest struct {
	Repeatable
	ID   int64 `path:"id" doc:"The record's id."`
	Body commentInput
}

type commentInput struct {
	Comment   string `json:"comment" minLength:"1" maxLength:"5000" example:"Patient shows good health indicators. Recommend annual follow-up."`
	IsPrivate bool   `json:"is_private,omitempty" doc:"For doctors only." example:"false"`
}

type addCommentResponse struct {
	Body comment
}

func (h *handlers) addComment(ctx context.Context, request *addCommentRequest) (*addCommentResponse, error) {
	once, err := request.once(ctx, request.ID, request.Body)
	if err != nil {
		return nil, err
	}
	c, err := h.service.Comments.Add(ctx, callerOf(ctx), request.ID, request.Body.Comment, request.Body.IsPrivate, once)
	if err != nil {
		return nil, err
	}
	return &addCommentResponse{Body: newComment(c)}, nil
}
