{{/* Secrets for Redis, as items of a projected volume. */}}
{{- define "healthrecords.redis.sources" -}}
{{- $redis := .Values.redis }}
{{- $external := $redis.external }}
{{- if eq $redis.mode "bundled" }}
{{- include "healthrecords.redis.source" (dict "name" (include "healthrecords.redis.secret" .) "key" $redis.bundled.passwordKey "path" "redis") }}
{{- else }}
{{- include "healthrecords.redis.source" (dict "name" $external.passwordSecret.name "key" $external.passwordSecret.key "path" "redis") }}
{{- include "healthrecords.redis.source" (dict "name" $external.sentinelPasswordSecret.name "key" $external.sentinelPasswordSecret.key "path" "redis-sentinel") }}
{{- if $external.tls.enabled }}
{{- include "healthrecords.redis.source" (dict "name" $external.tls.caSecret.name "key" $external.tls.caSecret.key "path" "redis-ca.crt") }}
{{- include "healthrecords.redis.source" (dict "name" $external.tls.clientSecret "key" "tls.crt" "path" "redis.crt") }}
{{- include "healthrecords.redis.source" (dict "name" $external.tls.clientSecret "key" "tls.key" "path" "redis.key") }}
{{- end }}
{{- end }}
{{- end }}

{{- define "healthrecords.redis.source" -}}
{{- if .name }}
- secret:
    name: {{ .name }}
    items:
      - {key: {{ .key }}, path: {{ .path }}}
{{- end }}
{{- end }}

{{/* Secret with the password of the bundled Redis. */}}
{{- define "healthrecords.redis.secret" -}}
{{- default (printf "%s-redis" (include "healthrecords.fullname" .)) .Values.redis.bundled.existingSecret }}
{{- end }}

{{/* Environment of the parts that use Redis. */}}
{{- define "healthrecords.redis.env" -}}
{{- $redis := .Values.redis }}
{{- $external := $redis.external }}
- {name: REDIS_KEY_PREFIX, value: {{ $redis.keyPrefix | quote }}}
{{- if eq $redis.mode "bundled" }}
- {name: REDIS_URL, value: "redis://{{ include "healthrecords.fullname" . }}-redis:6379"}
- {name: REDIS_PASSWORD_FILE, value: /run/secrets/healthrecords/redis}
{{- else }}
{{- if eq $external.type "single" }}
- {name: REDIS_URL, value: "{{ ternary "rediss" "redis" $external.tls.enabled }}://{{ first $external.addresses }}/{{ $external.database }}"}
{{- else }}
{{- if eq $external.type "sentinel" }}
- {name: REDIS_SENTINEL_ADDRESSES, value: {{ join "," $external.addresses | quote }}}
- {name: REDIS_MASTER_NAME, value: {{ $external.masterName | quote }}}
- {name: REDIS_DATABASE, value: {{ $external.database | quote }}}
{{- else }}
- {name: REDIS_CLUSTER_ADDRESSES, value: {{ join "," $external.addresses | quote }}}
{{- end }}
- {name: REDIS_TLS, value: {{ $external.tls.enabled | quote }}}
{{- end }}
{{- with $external.username }}
- {name: REDIS_USERNAME, value: {{ . | quote }}}
{{- end }}
{{- if $external.passwordSecret.name }}
- {name: REDIS_PASSWORD_FILE, value: /run/secrets/healthrecords/redis}
{{- end }}
{{- if $external.sentinelPasswordSecret.name }}
- {name: REDIS_SENTINEL_PASSWORD_FILE, value: /run/secrets/healthrecords/redis-sentinel}
{{- end }}
{{- if $external.tls.enabled }}
{{- if $external.tls.caSecret.name }}
- {name: REDIS_TLS_CA_FILE, value: /run/secrets/healthrecords/redis-ca.crt}
{{- end }}
{{- if $external.tls.clientSecret }}
- {name: REDIS_TLS_CERT_FILE, value: /run/secrets/healthrecords/redis.crt}
- {name: REDIS_TLS_KEY_FILE, value: /run/secrets/healthrecords/redis.key}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
