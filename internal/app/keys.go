package app

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/healthrecords/healthrecords/internal/token"
)

func newKeysCommand() *cobra.Command {
	return newParent("keys", "Manage the keys that sign access tokens, or seal the audit log",
		newKeysGenerateCommand(), newKeysRotateCommand())
}

func newKeysGenerateCommand() *cobra.Command {
	var dir string
	generate := &cobra.Command{
		Use:   "generate --dir DIR",
		Short: "Create the first signing key, if DIR has none",
		Args:  takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := token.GenerateKey(dir)
			if err != nil {
				return fmt.Errorf("generating a signing key: %w", err)
			}
			if id == "" {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), "%s already has a signing key\n", dir)
				return nil
			}
			_, _ = fmt.Fprintf(cmd.OutOrStdout(), "created a signing key in %s; its id is %s\n", dir, id)
			return nil
		},
	}
	generate.Flags().StringVar(&dir, "dir", "", "directory of the keys, the server's SIGNING_KEYS_DIR or the worker's AUDIT_KEYS_DIR (required)")
	_ = generate.MarkFlagRequired("dir") // fails only if the flag is not defined
	return generate
}

func newKeysRotateCommand() *cobra.Command {
	var dir string
	var secret bool
	rotate := &cobra.Command{
		Use:   "rotate (--dir DIR | --secret)",
		Short: "Add a signing key, and remove keys that no valid token needs",
		Long: "Add a signing key, and remove keys that no valid token needs. Servers accept the new key within seconds and sign with\n" +
			"it ten minutes later. Old keys still verify their tokens until these expire. No server restarts, and no request is\n" +
			"refused. The command fails while the newest key is less than ten minutes old.\n" +
			"If there is no key yet, it adds the first one, which signs at once, as `healthrecords keys generate` does.\n\n" +
			"For the worker's AUDIT_KEYS_DIR, the new key seals the audit log ten minutes later. Rows that an old key has sealed can\n" +
			"still be verified, even after the key is removed. Keep the printed id for `healthrecords audit verify --trusted-key`.\n\n" +
			"With --secret, the command reads a Kubernetes Secret from standard input and writes it to standard output:\n\n" +
			"  kubectl get secret NAME -o json | healthrecords keys rotate --secret | kubectl replace -f -",
		Args: takesNoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			if secret {
				return rotateSecret(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), now)
			}
			r, err := token.RotateKeys(dir, now)
			if err != nil {
				return fmt.Errorf("rotating the keys in %s: %w", dir, err)
			}
			tellRotation(cmd.OutOrStdout(), r)
			return nil
		},
	}
	rotate.Flags().StringVar(&dir, "dir", "", "directory of the keys, the server's SIGNING_KEYS_DIR or the worker's AUDIT_KEYS_DIR")
	rotate.Flags().BoolVar(&secret, "secret", false, "rotate the keys of the Secret on standard input")
	rotate.MarkFlagsOneRequired("dir", "secret")
	rotate.MarkFlagsMutuallyExclusive("dir", "secret")
	return rotate
}

// maxSecret is larger than any Secret: 1 MiB of data in base64, and its metadata.
const maxSecret = 4 << 20

var errNoSecret = errors.New("standard input is not a Kubernetes Secret; pipe `kubectl get secret NAME -o json` to this command")

// rotateSecret keeps the Secret's resourceVersion, so that the cluster refuses
// the update if somebody else has changed the Secret in the meantime.
func rotateSecret(in io.Reader, out, told io.Writer, now time.Time) error {
	manifest, err := io.ReadAll(io.LimitReader(in, maxSecret))
	if err != nil {
		return fmt.Errorf("reading the Secret: %w", err)
	}
	var secret corev1.Secret
	if err := yaml.Unmarshal(manifest, &secret); err != nil || secret.Kind != "Secret" {
		return errNoSecret // the error of the decoder may quote a key
	}
	r, err := token.PlanRotation(slices.Collect(maps.Keys(secret.Data)), now)
	if err != nil {
		return fmt.Errorf("rotating the keys of the Secret %s: %w", secret.Name, err)
	}
	for _, name := range r.Remove {
		delete(secret.Data, name)
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[r.Name] = r.Content
	manifest, err = yaml.Marshal(secret)
	if err != nil {
		return fmt.Errorf("writing the Secret: %w", err)
	}
	if _, err := out.Write(manifest); err != nil {
		return fmt.Errorf("writing the Secret: %w", err)
	}
	tellRotation(told, r)
	return nil
}

func tellRotation(w io.Writer, r token.Rotation) {
	if r.First {
		_, _ = fmt.Fprintf(w, "there was no key to rotate: added the first one, %s, which signs at once; its id is %s\n", r.Name, r.ID)
		return
	}
	_, _ = fmt.Fprintf(w, "added %s, which signs from %s on; its id is %s\n", r.Name, r.SignsFrom.UTC().Format(time.RFC3339), r.ID)
	for _, name := range r.Remove {
		_, _ = fmt.Fprintf(w, "removed %s\n", name)
	}
}
