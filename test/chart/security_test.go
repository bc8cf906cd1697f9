package chart

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/healthrecords/healthrecords/internal/settings"
)

// TestPodsAreRestricted uses the code of the admission controller.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, file := range ciValues(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := pods(t, render(t, "--values", file))
			if len(all) < 4 {
				t.Errorf("only %d pods", len(all))
			}
			for key, pod := range all {
				result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
				if !result.Allowed {
					t.Errorf("%s: %s", key, result.ForbiddenDetail())
				}
				if token := pod.Spec.AutomountServiceAccountToken; *token != (strings.HasSuffix(key, "-controller") || strings.HasSuffix(key, "-uninstall")) {
					t.Errorf("%s: a token is mounted: %v", key, *token)
				}
				for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
					if readOnly := container.SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
						t.Errorf("%s: %s can write to its root file system", key, container.Name)
					}
					if container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
						t.Errorf("%s: %s has no resources", key, container.Name)
					}
				}
			}
		})
	}
}

// TestNoSecretIsInAnArgument: everybody who sees the processes of a node, or the definition of a container, sees arguments.
func TestNoSecretIsInAnArgument(t *testing.T) {
	t.Parallel()
	for name, file := range ciValues(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for key, pod := range pods(t, render(t, "--values", file)) {
				for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
					arguments := slices.Concat(container.Command, container.Args)
					for _, probe := range []*corev1.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
						if probe != nil && probe.Exec != nil {
							arguments = append(arguments, probe.Exec.Command...)
						}
					}
					for _, env := range container.Env {
						if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil && strings.Contains(strings.Join(arguments, " "), "$("+env.Name+")") {
							t.Errorf("%s: %s has the secret %s in its arguments %q", key, container.Name, env.Name, arguments)
						}
					}
				}
			}
		})
	}
}

// TestEnvironmentIsKnown checks that the programs read each variable that the chart sets.
func TestEnvironmentIsKnown(t *testing.T) {
	t.Parallel()
	usage := map[string]string{
		"server": settings.Usage(&settings.Server{}), "worker": settings.Usage(&settings.Worker{}),
		"controller": settings.Usage(&settings.Controller{}), "migrate": settings.Usage(&settings.Migrate{}),
		"admin": settings.Usage(&settings.Tool{}),
	}
	others := regexp.MustCompile(`^(OTEL_.*|POD_.*|GOGC)$`)
	for name, file := range ciValues(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for key, pod := range pods(t, render(t, "--values", file)) {
				for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
					known, ours := usage[container.Name]
					for _, env := range container.Env {
						variable := regexp.MustCompile(`(?m)^  ` + strings.TrimSuffix(env.Name, "_FILE") + `(_FILE)? `)
						if ours && !others.MatchString(env.Name) && !variable.MatchString(known) {
							t.Errorf("%s: %s does not read %s", key, container.Name, env.Name)
						}
					}
				}
			}
		})
	}
}

// TestFilesAreMounted checks that each path in the environment and the arguments is mounted.
func TestFilesAreMounted(t *testing.T) {
	t.Parallel()
	path := regexp.MustCompile(`/run/secrets/healthrecords/[a-z.-]+`)
	for name, file := range ciValues(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for key, pod := range pods(t, render(t, "--values", file)) {
				mounted, used := map[string]bool{}, map[string]bool{}
				for _, volume := range pod.Spec.Volumes {
					if volume.Name != "secrets" {
						continue
					}
					for _, source := range volume.Projected.Sources {
						if source.Secret == nil {
							continue
						}
						for _, item := range source.Secret.Items {
							mounted[item.Path] = true
						}
					}
				}
				for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
					for _, env := range container.Env {
						for _, match := range path.FindAllString(env.Value, -1) {
							used[filepath.Base(match)] = true
						}
					}
					for _, match := range path.FindAllString(strings.Join(container.Args, " "), -1) {
						used[filepath.Base(match)] = true
					}
				}
				if diff := cmp.Diff(slices.Sorted(maps.Keys(mounted)), slices.Sorted(maps.Keys(used))); diff != "" {
					t.Errorf("%s: mounted, but not used (-), or used, but not mounted (+):\n%s", key, diff)
				}
			}
		})
	}
}
