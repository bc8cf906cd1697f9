{{- define "type" -}}
{{- $type := . -}}
{{- if markdownShouldRenderType $type }}
## {{ $type.Name }}

{{ $type.Doc }}
{{ with $type.SortedReferences }}
Used by{{ range $i, $type := . }}{{ if $i }},{{ end }} {{ markdownRenderTypeLink $type }}{{ end }}.
{{ end }}
{{- with $type.Validation }}
{{ range . }}- {{ . }}
{{ end }}
{{- end }}
{{- if $type.Members }}
| field | what | default | rules |
|---|---|---|---|
{{- with $type.GVK }}
| `apiVersion` string | `{{ .Group }}/{{ .Version }}` | | |
| `kind` string | `{{ .Kind }}` | | |
{{- end }}
{{- range $type.Members }}
| `{{ .Name }}` {{ markdownRenderType .Type }} | {{ template "type_members" . }} | {{ with .Default }}`{{ . }}`{{ end }} | {{ range $i, $rule := .Validation }}{{ if $i }}<br>{{ end }}{{ if hasSuffix ": {}" $rule }}{{ trimSuffix ": {}" $rule | lower }}{{ else }}{{ markdownRenderFieldDoc $rule }}{{ end }}{{ end }} |
{{- end }}
{{ end }}
{{- if $type.EnumValues }}
| value | what |
|---|---|
{{- range $type.EnumValues }}
| `{{ .Name }}` | {{ .Doc | trim | markdownRenderFieldDoc }} |
{{- end }}
{{ end }}
{{- end -}}
{{- end -}}
