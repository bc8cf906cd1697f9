{{/*
A line for each value that the chart does not have, with the nearest one: (dict "values" VALUES "group" "server." "keys" KEYS). The
keys are those of the table in README.md, which `make generate` writes from values.yaml.
*/}}
{{- define "healthrecords.unknown" -}}
{{- range $key, $value := .values }}
{{- $name := print $.group $key }}
{{- $group := print $name "." }}
{{- $below := false }}
{{- range $.keys }}
{{- if hasPrefix $group . }}{{ $below = true }}{{ end }}
{{- end }}
{{- if $below }}
{{ include "healthrecords.unknown" (dict "values" $value "group" $group "keys" $.keys) | trim }}
{{- else if not (has $name $.keys) }}
{{ include "healthrecords.nearest" (dict "group" $.group "key" $key "keys" $.keys) | trim }}
{{- end }}
{{- end }}
{{- end }}

{{/* The names in a group, separated by spaces. */}}
{{- define "healthrecords.siblings" -}}
{{- $names := list }}
{{- range .keys }}
{{- if hasPrefix $.group . }}
{{- $names = append $names (trimPrefix $.group . | splitList "." | first) }}
{{- end }}
{{- end }}
{{- join " " (uniq $names) }}
{{- end }}

{{/* Says that a key is unknown, and which name in its group shares most pairs of letters with it, or which group has the key. */}}
{{- define "healthrecords.nearest" -}}
{{- $siblings := include "healthrecords.siblings" . | trim | splitList " " }}
{{- $pairs := list }}
{{- range $i := until (int (max 0 (sub (len .key) 1))) }}
{{- $pairs = append $pairs (substr $i (int (add $i 2)) (lower $.key)) }}
{{- end }}
{{- $best := 0 }}
{{- $nearest := "" }}
{{- range $sibling := $siblings }}
{{- $shared := 0 }}
{{- range $pairs }}
{{- if contains . (lower $sibling) }}{{ $shared = add1 $shared }}{{ end }}
{{- end }}
{{- $score := div (mul 200 $shared) (max 1 (sub (add (len $.key) (len $sibling)) 2)) }}
{{- if gt $score $best }}{{ $best = $score }}{{ $nearest = $sibling }}{{ end }}
{{- end }}
{{- $elsewhere := list }}
{{- range .keys }}
{{- with regexFind (printf "^.+\\.%s(\\.|$)" (regexQuoteMeta $.key)) . }}{{ $elsewhere = append $elsewhere (trimSuffix "." .) }}{{ end }}
{{- end }}
{{- $where := default "the chart" (trimSuffix "." .group) }}
{{- $elsewhere = uniq $elsewhere }}
{{- if and $elsewhere (le (len $elsewhere) 4) }}
{{- printf "%s%s is not a value of this chart; did you mean %s?" .group .key (join " or " $elsewhere) }}
{{- else if ge (int $best) 40 }}
{{- printf "%s%s is not a value of this chart; did you mean %s%s?" .group .key .group $nearest }}
{{- else }}
{{- printf "%s%s is not a value of this chart; %s has %s" .group .key $where (join ", " $siblings) }}
{{- end }}
{{- end }}
