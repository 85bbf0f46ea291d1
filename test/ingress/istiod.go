// Istio's own control plane without Kubernetes, from the package that Istio's tests use: it translates the manifests of one
// file and serves them to Envoy over ADS until its standard input is closed.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	xds "istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/schema/collections"
	"istio.io/istio/pkg/test"
)

func main() {
	manifests := flag.String("manifests", "", "file with Istio's resources")
	meshConfig := flag.String("mesh-config", "", "file with the mesh config")
	listen := flag.String("listen", "127.0.0.1:0", "address for ADS")
	flag.Parse()
	resources, err := os.ReadFile(*manifests)
	fail(err)
	own, err := os.ReadFile(*meshConfig)
	fail(err)
	fail(validate(string(resources)))
	merged, err := mesh.ApplyMeshConfigDefaults(string(own))
	fail(err)
	fail(test.Wrap(func(t test.Failer) {
		xds.NewFakeDiscoveryServer(t, xds.FakeOptions{
			ConfigString: string(resources),
			MeshConfig:   merged,
			ListenerBuilder: func() (net.Listener, error) {
				listener, err := net.Listen("tcp", *listen)
				if err == nil {
					fmt.Printf("istiod ready: ADS on %s\n", listener.Addr())
				}
				return listener, err
			},
		})
		_, err := io.Copy(io.Discard, os.Stdin)
		fail(err)
	}))
}

// validate does what Istio's admission webhook does; the package for tests does not.
func validate(resources string) error {
	configs, _, err := crd.ParseInputs(resources)
	if err != nil {
		return err
	}
	for _, config := range configs {
		schema, known := collections.Pilot.FindByGroupVersionAliasesKind(config.GroupVersionKind)
		if !known {
			return fmt.Errorf("%s %s: not a kind of Istio", config.GroupVersionKind, config.Name)
		}
		warnings, err := schema.ValidateConfig(config)
		if err != nil {
			return fmt.Errorf("%s %s: %w", config.GroupVersionKind.Kind, config.Name, err)
		}
		if warnings != nil {
			fmt.Fprintf(os.Stderr, "%s %s: %v\n", config.GroupVersionKind.Kind, config.Name, warnings)
		}
	}
	return nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
