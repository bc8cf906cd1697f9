{{- define "gvList" -}}
# Reference of DoctorAssignments

`make generate` writes this page from the comments in [api/v1alpha1](../../../api/v1alpha1). [doctorassignments.md](doctorassignments.md)
explains how to use the fields, with examples, and lists the rules that compare fields.
{{ range . }}{{ template "gvDetails" . }}{{ end -}}
{{- end -}}
