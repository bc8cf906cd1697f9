{{/* Where Postgres is. */}}
{{- define "healthrecords.database.host" -}}
{{- $pg := .Values.postgresql }}
{{- if eq $pg.mode "external" }}{{ $pg.external.host }}
{{- else if eq $pg.mode "cloudnativepg" }}{{ include "healthrecords.fullname" . }}-postgresql-rw
{{- else }}{{ include "healthrecords.fullname" . }}-postgresql
{{- end }}
{{- end }}

{{- define "healthrecords.database.port" -}}
{{- ternary .Values.postgresql.external.port 5432 (eq .Values.postgresql.mode "external") }}
{{- end }}

{{/* The role that a part, or "owner", logs in as: (dict "root" $ "part" "server"). */}}
{{- define "healthrecords.database.user" -}}
{{- $pg := .root.Values.postgresql }}
{{- if and $pg.roles.enabled (hasKey $pg.roles .part) }}{{ get $pg.roles .part }}{{ else }}{{ $pg.owner }}{{ end }}
{{- end }}

{{/* Whether a part, or "owner", reads a complete URL from a Secret. */}}
{{- define "healthrecords.database.byURL" -}}
{{- $pg := .root.Values.postgresql }}
{{- $own := and $pg.roles.enabled (hasKey $pg.roles .part) }}
{{- if and (eq $pg.mode "external") $pg.external.urlSecret.name (not $own) }}true{{ end }}
{{- end }}

{{/* Secret with the passwords that the chart generates. */}}
{{- define "healthrecords.database.secret" -}}
{{- include "healthrecords.fullname" . }}-database
{{- end }}

{{/* Secret and key of the password, or of the URL, of a part or "owner", as items of a projected volume. */}}
{{- define "healthrecords.database.source" -}}
{{- $pg := .root.Values.postgresql }}
{{- $generated := include "healthrecords.database.secret" .root }}
{{- $name := "" }}{{ $key := "" }}
{{- if and $pg.roles.enabled (hasKey $pg.roles .part) }}
{{- $name = default $generated $pg.roles.existingSecret }}{{ $key = printf "%s-password" .part }}
{{- else if include "healthrecords.database.byURL" . }}
{{- $name = $pg.external.urlSecret.name }}{{ $key = $pg.external.urlSecret.key }}
{{- else if eq $pg.mode "external" }}
{{- $name = $pg.external.passwordSecret.name }}{{ $key = $pg.external.passwordSecret.key }}
{{- else if eq $pg.mode "cloudnativepg" }}
{{- $name = printf "%s-postgresql-app" (include "healthrecords.fullname" .root) }}{{ $key = "password" }}
{{- else }}
{{- $name = default $generated $pg.bundled.existingSecret }}{{ $key = "owner-password" }}
{{- end }}
- secret:
    name: {{ $name }}
    items:
      - {key: {{ $key }}, path: {{ default "database" .path }}}
{{- end }}

{{/* Secret and key of the CA certificates that verify Postgres, as items of a projected volume; or nothing. */}}
{{- define "healthrecords.database.ca" -}}
{{- $pg := .Values.postgresql }}
{{- if eq $pg.mode "cloudnativepg" }}
- secret:
    name: {{ include "healthrecords.fullname" . }}-postgresql-ca
    items:
      - {key: ca.crt, path: database-ca.crt}
{{- else if and (eq $pg.mode "external") $pg.external.caSecret.name }}
- secret:
    name: {{ $pg.external.caSecret.name }}
    items:
      - {key: {{ $pg.external.caSecret.key }}, path: database-ca.crt}
{{- end }}
{{- end }}

{{/* Environment of a part, or "owner". */}}
{{- define "healthrecords.database.env" -}}
{{- $pg := .root.Values.postgresql }}
{{- if include "healthrecords.database.byURL" . }}
- {name: DATABASE_URL_FILE, value: /run/secrets/healthrecords/database}
{{- else }}
- {name: DATABASE_HOST, value: {{ include "healthrecords.database.host" .root | quote }}}
- {name: DATABASE_PORT, value: {{ include "healthrecords.database.port" .root | quote }}}
- {name: DATABASE_NAME, value: {{ $pg.database | quote }}}
- {name: DATABASE_USER, value: {{ include "healthrecords.database.user" . | quote }}}
- {name: DATABASE_PASSWORD_FILE, value: /run/secrets/healthrecords/database}
- {name: DATABASE_SSLMODE, value: {{ get (dict "bundled" "disable" "cloudnativepg" "verify-full" "external" $pg.external.sslMode) $pg.mode }}}
{{- if include "healthrecords.database.ca" .root }}
- {name: DATABASE_SSLROOTCERT, value: /run/secrets/healthrecords/database-ca.crt}
{{- end }}
{{- end }}
{{- end }}
