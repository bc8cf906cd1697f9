package testkit_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	clientset "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/healthrecords/healthrecords/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestNewDatabaseGivesEachTestItsOwnCopy(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("copy", func(t *testing.T) {
			t.Parallel()
			connection := connect(t, testkit.NewDatabase(t, migrate))
			exec(t, connection, "INSERT INTO thing VALUES ('mine')")
			if got := count(t, connection); got != 2 {
				t.Errorf("rows = %d, want the template's and this test's", got)
			}
		})
	}
}

func TestNewDatabaseIsEmptyWithoutMigration(t *testing.T) {
	t.Parallel()
	connection := connect(t, testkit.NewDatabase(t, nil))
	exec(t, connection, "CREATE TABLE thing (name text)")
}

func TestPostgresKeepsDataOverCrashAndStop(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := testkit.StartPostgres(t)
	if err := server.CreateDatabase(ctx, "kept", ""); err != nil {
		t.Fatal(err)
	}
	if err := migrate(ctx, server.DSN("kept")); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := server.Exec(ctx, "SELECT 1"); err == nil {
		t.Fatal("a killed instance answers")
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if got := count(t, connect(t, server.DSN("kept"))); got != 1 {
		t.Errorf("rows = %d, want the one written before", got)
	}
}

func TestNewRedisSeparatesTests(t *testing.T) {
	t.Parallel()
	first, firstPrefix := testkit.NewRedis(t)
	second, secondPrefix := testkit.NewRedis(t)
	if firstPrefix == secondPrefix {
		t.Errorf("both prefixes are %q", firstPrefix)
	}
	if err := client(t, first).Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := client(t, second).Exists(t.Context(), "key").Val(); got != 0 {
		t.Error("the second database shows the first one's key")
	}
}

func TestRedisComesBackEmpty(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := testkit.StartRedis(t)
	kept := client(t, server.URL(0))
	if err := kept.Set(ctx, "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := kept.Get(ctx, "key").Err(); err == nil {
		t.Fatal("a killed instance answers")
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := kept.Exists(ctx, "key").Result(); err != nil || got != 0 {
		t.Errorf("Exists = %d, %v, want an empty instance", got, err)
	}
}

func TestControlPlaneServesTheCustomResources(t *testing.T) {
	t.Parallel()
	client, err := clientset.NewForConfig(testkit.ControlPlane(t))
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := client.ApiextensionsV1().CustomResourceDefinitions().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(definitions.Items) == 0 {
		t.Error("no custom resource definition is installed")
	}
}

func TestKubeconfigReachesTheControlPlane(t *testing.T) {
	t.Parallel()
	config, err := clientcmd.BuildConfigFromFlags("", testkit.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func migrate(ctx context.Context, dsn string) error {
	connection, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	_, err = connection.Exec(ctx, "CREATE TABLE thing (name text); INSERT INTO thing VALUES ('of the template')")
	return err
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(context.WithoutCancel(t.Context())) })
	return connection
}

func exec(t *testing.T, connection *pgx.Conn, statement string) {
	t.Helper()
	if _, err := connection.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, connection *pgx.Conn) (rows int) {
	t.Helper()
	if err := connection.QueryRow(t.Context(), "SELECT count(*) FROM thing").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func client(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(options)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestEnsuredDatabasesForbidLargeObjects: only a superuser can, and migrate warns at each run if nobody has.
func TestEnsuredDatabasesForbidLargeObjects(t *testing.T) {
	t.Parallel()
	server := testkit.StartPostgres(t)
	for range 2 { // the second time, the database exists
		testkit.Must(t, server.EnsureDatabase(t.Context(), "ensured"))
	}
	connection := testkit.Value(pgx.Connect(t.Context(), server.DSN("ensured")))(t)
	defer func() { testkit.Must(t, connection.Close(t.Context())) }()
	var allowed bool
	testkit.Must(t, connection.QueryRow(t.Context(), "SELECT has_function_privilege('lo_create(oid)', 'EXECUTE')").Scan(&allowed))
	if allowed {
		t.Error("everybody may create large objects")
	}
}
