package rest

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/healthrecords/healthrecords/internal/clinic"
	"github.com/healthrecords/healthrecords/server/internal/web"
)

// The notes on these operations.
const (
	listCommentsNote = "Oldest first. Patients see the comments on their own records; doctors see those on the records of their current patients. " +
		"Private comments are shown to doctors only."
	correctCommentNote = "Only the author can correct a comment, while they are assigned to the patient and within 15 minutes, unless the operator " +
		"has set another time. Later the answer is 409 with the code `comment_final`, and for another doctor's comment it is 403 with the code " +
		"`not_author`. `is_private` cannot change. Nobody is notified of a correction; `updated_at` shows it. " + mergePatchNote +
		"You can send back the comment as you have read it, with your changes: fields that are only read are ignored."
	addCommentNote = "The doctor must be assigned to the patient at the time. Private comments are shown to doctors only."
)

type comment struct {
	ID        int64     `json:"id" example:"1"`
	Comment   string    `json:"comment" example:"Patient shows good health indicators."`
	IsPrivate bool      `json:"is_private" doc:"Whether the comment is shown to doctors only." example:"false"`
	CreatedAt time.Time `json:"created_at" example:"2025-05-27T11:00:00Z"`
	UpdatedAt time.Time `json:"updated_at" doc:"When the comment was last corrected; created_at if it was not." example:"2025-05-27T11:05:00Z"`
	Doctor    doctor    `json:"doctor"`
}

func newComment(c clinic.Comment) comment {
	return comment{ID: c.ID, Comment: c.Text, IsPrivate: c.Private, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(), Doctor: newDoctor(c.Doctor)}
}

type listCommentsRequest struct {
	web.Paging
	ID int64 `path:"id" doc:"The record's id."`
}

func (h *handlers) listComments(ctx context.Context, request *listCommentsRequest) (*web.PageResponse[comment], error) {
	found, err := h.service.Comments.List(ctx, web.CallerOf(ctx), request.ID, request.PageRequest())
	if err != nil {
		return nil, err
	}
	return web.AnswerPage(request.Paging, h.here(ctx), found, newComment)
}

type addCommentRequest struct {
	web.Repeatable
	ID   int64 `path:"id" doc:"The record's id."`
	Body commentInput
}

type commentInput struct {
	Comment   string `json:"comment" minLength:"1" maxLength:"5000" example:"Patient shows good health indicators. Recommend annual follow-up."`
	IsPrivate bool   `json:"is_private,omitempty" doc:"Whether the comment is shown to doctors only." example:"false"`
}

// Resolve implements huma.Resolver.
func (c *commentInput) Resolve(ctx huma.Context) []error {
	return web.Rules(ctx, func() error { return clinic.ValidateComment(&c.Comment) })
}

type addCommentResponse struct {
	Body comment
}

func (h *handlers) addComment(ctx context.Context, request *addCommentRequest) (*addCommentResponse, error) {
	once, err := request.Once(ctx, request.ID, request.Body)
	if err != nil {
		return nil, err
	}
	c, err := h.service.Comments.Add(ctx, web.CallerOf(ctx), request.ID, request.Body.Comment, request.Body.IsPrivate, once)
	if err != nil {
		return nil, err
	}
	return &addCommentResponse{Body: newComment(c)}, nil
}

type correctCommentRequest struct {
	ID   int64 `path:"id" doc:"The comment's id."`
	Body commentPatch
}

type commentPatch struct {
	Comment   patch[string] `json:"comment,omitzero" minLength:"1" maxLength:"5000" nullable:"false" example:"Patient shows good health indicators. Recommend follow-up in six months."`
	IsPrivate patch[bool]   `json:"is_private,omitzero" nullable:"false" doc:"Cannot change: send the current value, or omit it." example:"false"`
}

// TransformSchema implements huma.SchemaTransformer.
func (commentPatch) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	return readBack[comment](r, s)
}

type correctCommentResponse struct {
	Body comment
}

func (h *handlers) correctComment(ctx context.Context, request *correctCommentRequest) (*correctCommentResponse, error) {
	body := request.Body
	c, err := h.service.Comments.Correct(ctx, web.CallerOf(ctx), request.ID, body.Comment.change(), body.IsPrivate.change())
	if err != nil {
		return nil, err
	}
	return &correctCommentResponse{Body: newComment(c)}, nil
}
