{{/*
Security context of a pod: (dict "root" $). With "user", Postgres and Redis keep the user of their image, unless podSecurityContext
names none, as on OpenShift.
*/}}
{{- define "healthrecords.podSecurity" -}}
{{- $context := deepCopy (default dict .root.Values.podSecurityContext) }}
{{- range list "runAsUser" "runAsGroup" "fsGroup" }}
{{- if hasKey $context . }}
{{- $_ := set $context . (int64 (default (get $context .) $.user)) }}
{{- end }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{/* Security context of every container. */}}
{{- define "healthrecords.containerSecurity" -}}
{{- toYaml .Values.containerSecurityContext }}
{{- end }}

{{/* Nodes and image pull secrets of a pod: (dict "root" $ "values" VALUES). */}}
{{- define "healthrecords.scheduling" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if or .values.tolerations (hasKey .values "lostNodeSeconds") }}
tolerations:
  {{- with .values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if hasKey .values "lostNodeSeconds" }}
  {{- range list "node.kubernetes.io/unreachable" "node.kubernetes.io/not-ready" }}
  - {key: {{ . }}, operator: Exists, effect: NoExecute, tolerationSeconds: {{ $.values.lostNodeSeconds }}}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Environment of every program of the platform. */}}
{{- define "healthrecords.commonEnv" -}}
- {name: LOG_LEVEL, value: {{ .Values.log.level }}}
- {name: LOG_FORMAT, value: {{ .Values.log.format }}}
{{- end }}

{{/* Environment of the long-running parts. */}}
{{- define "healthrecords.partEnv" -}}
{{- include "healthrecords.commonEnv" .root }}
- {name: ADMIN_ADDRESS, value: ":9090"}
- {name: DATABASE_MAX_CONNS, value: {{ .values.databaseMaxConns | quote }}}
{{- include "healthrecords.database.env" . }}
{{- with .root.Values.tracing }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .sampleRatio | quote }}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- {name: OTEL_RESOURCE_ATTRIBUTES, value: "k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE)"}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether an autoscaler sets a part's number of replicas. */}}
{{- define "healthrecords.autoscaled" -}}
{{- if or (and (eq .part "server") .root.Values.server.autoscaling.enabled) (and (eq .part "worker") .root.Values.worker.keda.enabled) }}true{{ end }}
{{- end }}

{{/*
The number of replicas of a part, or nothing if an autoscaler sets it. Under an autoscaler Helm repeats the current number,
because Kubernetes resets a field that Helm removes to its default, one. Helm 4 uses server-side apply: once the autoscaler
has written the field, the autoscaler owns it, and it stays although Helm leaves it out.
*/}}
{{- define "healthrecords.replicas" -}}
{{- if not (include "healthrecords.autoscaled" .) }}{{ .values.replicas }}
{{- else }}
{{- $helm3 := hasPrefix "v3" .root.Capabilities.HelmVersion.Version }}
{{- with lookup "apps/v1" "Deployment" .root.Release.Namespace (printf "%s-%s" (include "healthrecords.fullname" .root) .part) }}
{{- $scaled := false }}
{{- range .metadata.managedFields }}
{{- if eq (default "" .subresource) "scale" }}{{ $scaled = true }}{{ end }}
{{- end }}
{{- if or $helm3 (not $scaled) }}{{ .spec.replicas }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The Deployment of a part: (dict "root" $ "part" "server"). Content specific to the part comes from the template
healthrecords.PART.env, and from "ports", "sources" (of the projected volume of secrets), "mounts" and "volumes".
*/}}
{{- define "healthrecords.deployment" -}}
{{- $root := .root }}
{{- $part := .part }}
{{- $values := get $root.Values $part }}
{{- $context := dict "root" $root "part" $part "values" $values }}
{{- $preStop := int (default 0 $values.preStopSleepSeconds) }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "healthrecords.metadata" $context | nindent 2 }}
  {{- with $values.deploymentAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with include "healthrecords.replicas" $context }}
  replicas: {{ . }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "healthrecords.selector" $context | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "healthrecords.podLabels" $context | nindent 8 }}
        healthrecords.io/metrics: admin
      annotations:
        kubectl.kubernetes.io/default-container: {{ $part }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "healthrecords.fullname" $root }}-{{ $part }}
      automountServiceAccountToken: {{ eq $part "controller" }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ add $preStop (int (default 0 $values.shutdownDelaySeconds)) (int (default 20 $values.shutdownGraceSeconds)) 15 }}
      securityContext:
        {{- include "healthrecords.podSecurity" (dict "root" $root) | nindent 8 }}
      {{- include "healthrecords.scheduling" $context | nindent 6 }}
      {{- if not $values.affinity }}
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                topologyKey: topology.kubernetes.io/zone
                labelSelector:
                  matchLabels:
                    {{- include "healthrecords.selector" $context | nindent 20 }}
      {{- end }}
      topologySpreadConstraints:
        {{- if $values.topologySpreadConstraints }}
        {{- toYaml $values.topologySpreadConstraints | nindent 8 }}
        {{- else }}
        {{- /* No zones here: if nodes have no zone label, the scheduler would not spread the pods at all. */}}
        - topologyKey: kubernetes.io/hostname
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "healthrecords.selector" $context | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      containers:
        - name: {{ $part }}
          image: {{ include "healthrecords.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: [{{ $part }}]
          env:
            {{- include "healthrecords.partEnv" $context | nindent 12 }}
            {{- include (printf "healthrecords.%s.env" $part) $root | nindent 12 }}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - {name: admin, containerPort: 9090}
            {{- with .ports }}
            {{- . | nindent 12 }}
            {{- end }}
          startupProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 2
            timeoutSeconds: 4
            failureThreshold: 2
          {{- if $preStop }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ $preStop }}}
          {{- end }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            {{- include "healthrecords.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /run/secrets/healthrecords, readOnly: true}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $values.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        - name: secrets
          projected:
            defaultMode: 0440
            sources:
              {{- include "healthrecords.database.source" $context | nindent 14 }}
              {{- include "healthrecords.database.ca" $root | nindent 14 }}
              {{- with .sources }}
              {{- . | nindent 14 }}
              {{- end }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{/* The PodDisruptionBudget of a part, if it has more than one replica. */}}
{{- define "healthrecords.podDisruptionBudget" -}}
{{- $values := get .root.Values .part }}
{{- $least := $values.replicas }}
{{- if include "healthrecords.autoscaled" . }}
{{- $least = ternary .root.Values.server.autoscaling.minReplicas .root.Values.worker.keda.minReplicas (eq .part "server") }}
{{- end }}
{{- if and $values.podDisruptionBudget.enabled (gt (int $least) 1) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "healthrecords.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ $values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "healthrecords.selector" . | nindent 6 }}
{{- end }}
{{- end }}
