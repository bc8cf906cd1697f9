{{- define "type_members" -}}
{{- if eq .Name "metadata" -}}name, namespace, labels and annotations, as in every object{{- else -}}{{ .Doc | replace "\n" " " | markdownRenderFieldDoc }}{{- end -}}
{{- end -}}
