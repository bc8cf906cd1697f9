{{/* The chart's part of object names. */}}
{{- define "healthrecords.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 32 | trimSuffix "-" }}
{{- end }}

{{/*
Prefix of all names. It has at most 32 characters, so that the suffixes "-postgresql-0" and "-migrate-0123456789" still
give valid names and label values. A longer prefix is cut, and a hash keeps prefixes with the same start apart.
*/}}
{{- define "healthrecords.fullname" -}}
{{- $name := include "healthrecords.name" . }}
{{- $full := .Values.fullnameOverride }}
{{- if not $full }}
{{- $full = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- end }}
{{- if gt (len $full) 32 }}
{{- $full = printf "%s-%s" ($full | trunc 25 | trimSuffix "-") ($full | sha256sum | trunc 6) }}
{{- end }}
{{- $full }}
{{- end }}

{{/* Labels that select the pods of a part: (dict "root" $ "part" "server"). */}}
{{- define "healthrecords.selector" -}}
app.kubernetes.io/name: {{ include "healthrecords.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* Labels of the pods of a part. They contain no version, so that unchanged pods are not restarted. */}}
{{- define "healthrecords.podLabels" -}}
{{- with .root.Values.commonLabels }}
{{- toYaml . }}
{{ end }}
{{- include "healthrecords.selector" . }}
app.kubernetes.io/part-of: healthrecords
{{- end }}

{{/* Labels of an object of a part: (dict "root" $ "part" "server"). */}}
{{- define "healthrecords.labels" -}}
{{- include "healthrecords.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name, namespace and labels of an object: (dict "root" $ "part" "server"), with "suffix" if the name does not end with the part. */}}
{{- define "healthrecords.metadata" -}}
name: {{ include "healthrecords.fullname" .root }}-{{ default .part .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "healthrecords.labels" . | nindent 2 }}
{{- end }}

{{/* An image in the mirror: (dict "root" $ "image" "redis:8"). */}}
{{- define "healthrecords.mirrored" -}}
{{- with .root.Values.imageRegistry }}{{ trimSuffix "/" . }}/{{ end }}{{ .image }}
{{- end }}

{{/* Image of the platform. */}}
{{- define "healthrecords.image" -}}
{{- $image := printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- with .Values.image.digest }}
{{- $image = printf "%s@%s" $.Values.image.repository . }}
{{- end }}
{{- include "healthrecords.mirrored" (dict "root" . "image" $image) }}
{{- end }}

{{/* Scheme and port name of the API. */}}
{{- define "healthrecords.scheme" -}}
{{- ternary "https" "http" .Values.server.tls.enabled }}
{{- end }}

{{/* Secret with the server's certificate. */}}
{{- define "healthrecords.tlsSecret" -}}
{{- default (printf "%s-server-tls" (include "healthrecords.fullname" .)) .Values.server.tls.existingSecret }}
{{- end }}

{{/* Secret with the administrator's password. */}}
{{- define "healthrecords.adminSecret" -}}
{{- default (printf "%s-admin" (include "healthrecords.fullname" .)) .Values.admin.existingSecret }}
{{- end }}

{{/*
Whether the cluster can stamp objects with the user who asks. A cluster lists the kinds that it serves; "helm template" without a cluster
knows only a version.
*/}}
{{- define "healthrecords.stamps" -}}
{{- if .Capabilities.APIVersions.Has "apps/v1/Deployment" }}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}true{{ end }}
{{- else if semverCompare ">=1.36-0" .Capabilities.KubeVersion.Version }}true
{{- end }}
{{- end }}

{{/*
The data of a Secret that is generated once: the data in the cluster, plus the generated keys that are missing. Keys that
people added stay. (dict "root" $ "name" NAME "generated" DICT of the required keys, not encoded).
*/}}
{{- define "healthrecords.keptData" -}}
{{- $data := dict }}
{{- with lookup "v1" "Secret" .root.Release.Namespace .name }}
{{- $data = default dict .data }}
{{- end }}
{{- range $key, $value := .generated }}
{{- if not (hasKey $data $key) }}
{{- $_ := set $data $key (b64enc $value) }}
{{- end }}
{{- end }}
{{- toYaml $data }}
{{- end }}
