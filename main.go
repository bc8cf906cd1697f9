// Command healthrecords is the health record platform: the REST server, the
// event worker, the Kubernetes controller and the commands around them.
package main

import (
	"os"
	_ "time/tzdata" // the image is FROM scratch: time zones and CA roots come with the binary

	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/healthrecords/healthrecords/internal/app"
)

func main() {
	os.Exit(app.Run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
