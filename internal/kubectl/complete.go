package kubectl

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/healthrecords/healthrecords/api/v1alpha1"
)

const (
	completionPatience = 3 * time.Second // a shell that hangs is worse than no suggestion
	noFiles            = cobra.ShellCompDirectiveNoFileComp
)

// people returns the usernames of the doctors or patients in objects, sorted.
func people(ofDoctors bool, found []v1alpha1.DoctorAssignment) []string {
	names := map[string]string{} // by lowercase name, because letters are equivalent in both cases
	for i := range found {
		of := usernames(found[i].Spec.Patients)
		if ofDoctors {
			of = doctors(&found[i].Spec)
		}
		for _, name := range of {
			names[strings.ToLower(name)] = name
		}
	}
	return slices.Sorted(maps.Values(names))
}

// seen returns the objects that a completion may suggest from: those of all namespaces if everywhere is set and the caller may
// list them, or else of their own. Errors mean no suggestions.
func (p *plugin) seen(cmd *cobra.Command, everywhere bool) []v1alpha1.DoctorAssignment {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	kube, err := p.client(io.Discard)
	if err != nil {
		return nil
	}
	if everywhere {
		if found, _, err := objects(ctx, kube, "", maxCompared); err == nil {
			return found
		}
	}
	namespace, err := p.namespace()
	if err != nil {
		return nil
	}
	found, _, err := objects(ctx, kube, namespace, maxCompared)
	if err != nil {
		return nil
	}
	return found
}

// starting returns the names that begin with the text, in any case, without those that are excluded.
func starting(names []string, text string, excluded []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		return len(name) < len(text) || !strings.EqualFold(name[:len(text)], text) || containsName(excluded, name)
	})
}

// completeAssign completes the doctors in the first argument, and then patients.
func (p *plugin) completeAssign(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return p.completeDoctors(cmd, args, text)
	}
	return starting(people(false, p.seen(cmd, true)), text, args[1:]), noFiles
}

// completeDoctors completes the last name of a list that is separated by commas.
func (p *plugin) completeDoctors(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && cmd.Name() == "panel" {
		return nil, noFiles
	}
	list, last := "", text
	if comma := strings.LastIndexByte(text, ','); comma >= 0 && cmd.Name() == "assign" {
		list, last = text[:comma+1], text[comma+1:]
	}
	found := starting(people(true, p.seen(cmd, true)), last, names(list))
	for i := range found {
		found[i] = list + found[i]
	}
	return found, noFiles
}

func (p *plugin) completePatients(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return starting(people(false, p.seen(cmd, true)), text, nil), noFiles
}

// completeObjects completes names, also behind a kind such as da/.
func (p *plugin) completeObjects(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	kind := ""
	if slash := strings.IndexByte(text, '/'); slash >= 0 {
		kind, text = text[:slash+1], text[slash+1:]
	}
	var found []string
	for _, object := range p.seen(cmd, false) {
		if strings.HasPrefix(object.Name, text) {
			found = append(found, kind+object.Name)
		}
	}
	return found, noFiles
}

func (p *plugin) completeContexts(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	config, err := p.loader().RawConfig()
	if err != nil {
		return nil, noFiles
	}
	return starting(slices.Sorted(maps.Keys(config.Contexts)), text, nil), noFiles
}

func (p *plugin) completeNamespaces(cmd *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	kube, err := p.client(io.Discard)
	if err != nil {
		return nil, noFiles
	}
	var namespaces corev1.NamespaceList
	if err := kube.List(ctx, &namespaces, client.Limit(maxCompared)); err != nil {
		return nil, noFiles
	}
	var found []string
	for i := range namespaces.Items {
		found = append(found, namespaces.Items[i].Name)
	}
	return starting(found, text, nil), noFiles
}
