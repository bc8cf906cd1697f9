{{- define "gvDetails" }}
The group and version is `{{ .GroupVersionString }}`.
{{ range .SortedTypes }}{{ template "type" . }}{{ end -}}
{{- end -}}
