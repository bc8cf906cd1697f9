package settings

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Each part has its own admin port, so that all of them run on one machine
// without further settings.
const (
	serverAdmin     = "127.0.0.1:9090"
	workerAdmin     = "127.0.0.1:9091"
	controllerAdmin = "127.0.0.1:9092"
)

// The validity of one-time codes for a new password, whoever issues them.
const (
	MinCodeLifetime = 5 * time.Minute
	MaxCodeLifetime = 720 * time.Hour
)

// Server is the configuration of `healthrecords server`.
type Server struct {
	Common           Common
	Admin            Admin
	Database         Database
	Redis            Redis
	ListenAddress    string        `env:"LISTEN_ADDRESS" envDefault:"127.0.0.1:8000" help:"host:port on which the API listens"`
	PublicURL        string        `env:"PUBLIC_URL" help:"URL under which clients reach the API, for links; empty: links are relative to the URL of the request"`
	SigningKeysDir   string        `env:"SIGNING_KEYS_DIR" help:"directory of the keys that sign access tokens (required; healthrecords keys generate creates one)"`
	TokenIssuer      string        `env:"TOKEN_ISSUER" envDefault:"healthrecords" help:"iss claim of access tokens"`
	TokenAudience    string        `env:"TOKEN_AUDIENCE" envDefault:"healthrecords" help:"aud claim of access tokens"`
	TOTPKey          Secret        `env:"TOTP_KEY" help:"key that encrypts the secrets of second factors, at least 24 random characters; empty: users cannot enroll second factors"`
	TOTPRoles        List          `env:"TOTP_REQUIRED_ROLES" help:"roles whose users must have a second factor: any of PATIENT, DOCTOR and ADMIN, separated by commas"`
	CORSOrigins      List          `env:"CORS_ORIGINS" help:"origins whose pages may call the API, separated by commas; *: any; empty: none"`
	TrustedProxies   List          `env:"TRUSTED_PROXIES" help:"networks of proxies whose X-Forwarded-For is trusted for the client's address, such as 10.0.0.0/8,fd00::/8; empty: clients connect directly"`
	Connections      int           `env:"MAX_CONNECTIONS" envDefault:"4096" help:"maximum number of open connections to the API; further ones are closed"`
	PerAddress       int           `env:"MAX_CONNECTIONS_PER_ADDRESS" envDefault:"512" help:"maximum number of these from one IPv4 address or one IPv6 /64 network; does not apply to TRUSTED_PROXIES"`
	AccessLogSample  int           `env:"ACCESS_LOG_SAMPLE" envDefault:"1" help:"log one of this many successful requests; each failed request is logged, except that an overloaded server logs one refusal a second"`
	DoctorAutoVerify bool          `env:"DOCTOR_AUTO_VERIFY" envDefault:"false" help:"treat every doctor as verified at registration; for development only"`
	BreakGlass       time.Duration `env:"BREAK_GLASS_DURATION" envDefault:"1h" help:"duration of a doctor's emergency access, 1m to 24h"`
	SelfAssignment   string        `env:"DOCTOR_SELF_ASSIGNMENT" envDefault:"confirm" help:"how doctors assign themselves to patients: confirm (requires password or second factor, a reason and an end), open (requires nothing) or off"`
	SessionsPerUser  int           `env:"SESSIONS_PER_USER" envDefault:"20" help:"maximum number of a user's sessions, 1 to 1000; a login beyond it ends the oldest"`

	ResetCodes        time.Duration `env:"RESET_CODE_LIFETIME" envDefault:"24h" help:"validity of the one-time codes for a new password that administrators issue, 5m to 720h"`
	CommentCorrection time.Duration `env:"COMMENT_CORRECTION" envDefault:"15m" help:"time in which doctors can correct a comment that they wrote, at most 24h; 0s: never"`

	Search Search

	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY" envDefault:"0s" help:"time after SIGTERM during which the server still answers, closing each connection with its answer, so that clients move on"`
	ShutdownGrace time.Duration `env:"SHUTDOWN_GRACE" envDefault:"20s" help:"time that requests in progress then have to finish"`
	TLSCertFile   string        `env:"TLS_CERT_FILE" help:"path of the PEM certificate for HTTPS, read again when it changes; empty: HTTP"`
	TLSKeyFile    string        `env:"TLS_KEY_FILE" help:"path of the certificate's PEM key"`
}

func (s *Server) prepare() { s.Admin.Address = serverAdmin }

func (s *Server) validate(f *ValidationErrors) {
	s.Common.validate(f)
	s.Admin.validate(f)
	s.Database.validate(f)
	s.Redis.validate(f)
	f.require(isAddress(s.ListenAddress), "LISTEN_ADDRESS", badAddress)
	f.require(s.PublicURL == "" || isOrigin(s.PublicURL), "PUBLIC_URL", "is not an http or https URL without a path; write for example https://records.example.org")
	f.require(s.SigningKeysDir != "", "SIGNING_KEYS_DIR", "is not set; choose a directory and run `healthrecords keys generate --dir` on it")
	f.require(s.TOTPKey == "" || len(s.TOTPKey) >= 24, "TOTP_KEY", "is too short; set at least 24 random characters, for example from `openssl rand -base64 24`")
	for _, role := range s.TOTPRoles {
		f.require(slices.Contains([]string{"PATIENT", "DOCTOR", "ADMIN"}, role), "TOTP_REQUIRED_ROLES", "has an entry that is not a role; write for example ADMIN,DOCTOR")
	}
	f.require(len(s.TOTPRoles) == 0 || s.TOTPKey != "", "TOTP_REQUIRED_ROLES", "requires TOTP_KEY; without it users of these roles cannot do anything")
	for _, origin := range s.CORSOrigins {
		f.require(origin == "*" || isOrigin(origin), "CORS_ORIGINS", "has an entry that is not an origin; write for example https://portal.example.org,https://app.example.org")
	}
	f.require(s.BreakGlass >= time.Minute && s.BreakGlass <= 24*time.Hour, "BREAK_GLASS_DURATION", "must be from 1m to 24h")
	f.require(s.ResetCodes >= MinCodeLifetime && s.ResetCodes <= MaxCodeLifetime, "RESET_CODE_LIFETIME", "must be from 5m to 720h")
	f.require(slices.Contains([]string{"confirm", "open", "off"}, s.SelfAssignment), "DOCTOR_SELF_ASSIGNMENT", "must be confirm, open or off")
	f.require(s.SessionsPerUser >= 1 && s.SessionsPerUser <= 1000, "SESSIONS_PER_USER", "must be from 1 to 1000")
	s.Search.validate(f)
	f.require(s.CommentCorrection >= 0 && s.CommentCorrection <= 24*time.Hour, "COMMENT_CORRECTION", "must be from 0s to 24h")
	for _, network := range s.TrustedProxies {
		_, err := netip.ParsePrefix(network)
		f.require(err == nil, "TRUSTED_PROXIES", "has an entry that is not a network; write for example 10.0.0.0/8,192.0.2.7/32")
	}
	f.require(s.Connections >= 1, "MAX_CONNECTIONS", "must be 1 or more")
	f.require(s.AccessLogSample >= 1, "ACCESS_LOG_SAMPLE", "must be 1 or more; LOG_LEVEL=warn turns the log of requests off")
	f.require(s.PerAddress >= 1, "MAX_CONNECTIONS_PER_ADDRESS", "must be 1 or more")
	f.require(s.ShutdownDelay >= 0, "SHUTDOWN_DELAY", "must not be negative")
	f.require(s.ShutdownGrace > 0, "SHUTDOWN_GRACE", badPositive)
	f.require((s.TLSCertFile == "") == (s.TLSKeyFile == ""), "TLS_CERT_FILE", "and TLS_KEY_FILE go together; give both, or neither")
}

// HasTLS reports whether the server serves HTTPS.
func (s *Server) HasTLS() bool { return s.TLSCertFile != "" }

// Worker is the configuration of `healthrecords worker`.
type Worker struct {
	Common       Common
	Admin        Admin
	Database     Database
	Redis        Redis
	Search       Search
	Concurrency  int           `env:"WORKER_CONCURRENCY" envDefault:"2" help:"batches of events that are handled concurrently"`
	BatchSize    int           `env:"WORKER_BATCH_SIZE" envDefault:"100" help:"maximum number of events in one batch"`
	PollInterval time.Duration `env:"WORKER_POLL_INTERVAL" envDefault:"100ms" help:"how often an idle worker looks for new events"`
	RetryAfter   time.Duration `env:"WORKER_RETRY_AFTER" envDefault:"10s" help:"time until an unfinished event is delivered again; doubles with each delivery"`
	MaxAttempts  int           `env:"WORKER_MAX_ATTEMPTS" envDefault:"10" help:"deliveries after which a failing event is set aside for manual inspection"`
	MaxBacklog   int           `env:"WORKER_MAX_BACKLOG" envDefault:"10000" help:"number of stream entries above which no more events are published"`
	KeepFinished time.Duration `env:"WORKER_KEEP_FINISHED" envDefault:"168h" help:"age at which finished events are deleted"`
	Retention    time.Duration `env:"RECORDS_RETENTION" envDefault:"0s" help:"age of the deletion at which a deleted health record is removed for good, with its versions and comments, 24h or more; 0s: never"`
	AuditKeysDir string        `env:"AUDIT_KEYS_DIR" help:"directory of the keys that seal the audit log (required; healthrecords keys generate creates one)"`
}

func (w *Worker) prepare() { w.Admin.Address = workerAdmin }

func (w *Worker) validate(f *ValidationErrors) {
	w.Common.validate(f)
	w.Admin.validate(f)
	w.Database.validate(f)
	w.Redis.validate(f)
	w.Search.validate(f)
	f.require(w.Concurrency >= 1 && w.Concurrency <= 256, "WORKER_CONCURRENCY", "must be from 1 to 256")
	f.require(w.BatchSize >= 1 && w.BatchSize <= 10000, "WORKER_BATCH_SIZE", "must be from 1 to 10000")
	f.require(w.PollInterval > 0, "WORKER_POLL_INTERVAL", badPositive)
	f.require(w.RetryAfter >= time.Second, "WORKER_RETRY_AFTER", "must be 1s or more")
	f.require(w.MaxAttempts >= 1, "WORKER_MAX_ATTEMPTS", "must be 1 or more")
	f.require(w.MaxBacklog >= w.BatchSize, "WORKER_MAX_BACKLOG", "must be at least WORKER_BATCH_SIZE")
	f.require(w.KeepFinished >= time.Hour, "WORKER_KEEP_FINISHED", "must be 1h or more")
	f.require(w.Retention == 0 || w.Retention >= 24*time.Hour, "RECORDS_RETENTION", "must be 24h or more, or 0s for never")
	f.require(w.AuditKeysDir != "", "AUDIT_KEYS_DIR", "is not set; choose a directory other than the server's and run `healthrecords keys generate --dir` on it")
}

// Kubernetes is where DoctorAssignment objects are.
type Kubernetes struct {
	Kubeconfig string `env:"KUBECONFIG" help:"kubeconfig of the cluster; empty: the cluster that the process runs in"`
	Namespace  string `env:"WATCH_NAMESPACE" help:"the only namespace whose objects count; empty: all"`
}

// Controller is the configuration of `healthrecords controller`.
type Controller struct {
	Common                  Common
	Admin                   Admin
	Database                Database
	Kubernetes              Kubernetes
	LeaderElect             bool          `env:"LEADER_ELECT" envDefault:"true" help:"elect a leader, so that only one of several replicas works"`
	LeaderElectionNamespace string        `env:"LEADER_ELECTION_NAMESPACE" help:"namespace of the election's Lease; empty: the namespace that the controller runs in"`
	Resync                  time.Duration `env:"RESYNC_INTERVAL" envDefault:"20s" help:"how often the objects are compared with the database, 1000 in one query"`
	ClusterID               string        `env:"CLUSTER_ID" help:"id of the cluster in the database, which several clusters can share; empty: the UID of the namespace kube-system"`
	RequesterStamped        bool          `env:"REQUESTER_STAMPED" envDefault:"false" help:"record who asked for an assignment as the annotation healthrecords.io/requested-by says; only with the admission policy that keeps people from forging it"`
}

func (c *Controller) prepare() { c.Admin.Address = controllerAdmin }

func (c *Controller) validate(f *ValidationErrors) {
	c.Common.validate(f)
	c.Admin.validate(f)
	c.Database.validate(f)
	f.require(c.Resync >= time.Second, "RESYNC_INTERVAL", "must be 1s or more")
}

// Finalizers is the configuration of `healthrecords controller release-finalizers`.
type Finalizers struct {
	Common     Common
	Kubernetes Kubernetes
}

func (c *Finalizers) prepare() {}

func (c *Finalizers) validate(f *ValidationErrors) { c.Common.validate(f) }

// Tool is the configuration of short-lived subcommands that use only the
// database: those of admin, and counts.
type Tool struct {
	Common   Common
	Database Database
}

func (t *Tool) prepare() {}

func (t *Tool) validate(f *ValidationErrors) {
	t.Common.validate(f)
	t.Database.validate(f)
}

// SearchTool is the configuration of `healthrecords search`.
type SearchTool struct {
	Common   Common
	Database Database
	Search   Search
}

func (t *SearchTool) prepare() {}

func (t *SearchTool) validate(f *ValidationErrors) {
	t.Common.validate(f)
	t.Database.validate(f)
	t.Search.validate(f)
}

// Migrate is the configuration of `healthrecords migrate`.
type Migrate struct {
	Common             Common
	Database           Database
	ServerRole         string `env:"SERVER_DATABASE_ROLE" envDefault:"healthrecords_server" help:"Postgres role of the server"`
	ServerPassword     Secret `env:"SERVER_DATABASE_PASSWORD" help:"password of this role; if set, migrate creates the role and grants its rights"`
	WorkerRole         string `env:"WORKER_DATABASE_ROLE" envDefault:"healthrecords_worker" help:"Postgres role of the worker"`
	WorkerPassword     Secret `env:"WORKER_DATABASE_PASSWORD" help:"password of this role"`
	ControllerRole     string `env:"CONTROLLER_DATABASE_ROLE" envDefault:"healthrecords_controller" help:"Postgres role of the controller"`
	ControllerPassword Secret `env:"CONTROLLER_DATABASE_PASSWORD" help:"password of this role"`
}

func (m *Migrate) prepare() {}

func (m *Migrate) validate(f *ValidationErrors) {
	m.Common.validate(f)
	m.Database.validate(f)
	const badRole = "must be 1 to 63 bytes long and differ from the roles of the other parts"
	f.require(isRole(m.ServerRole), "SERVER_DATABASE_ROLE", badRole)
	f.require(isRole(m.WorkerRole) && m.WorkerRole != m.ServerRole, "WORKER_DATABASE_ROLE", badRole)
	f.require(isRole(m.ControllerRole) && m.ControllerRole != m.ServerRole && m.ControllerRole != m.WorkerRole, "CONTROLLER_DATABASE_ROLE", badRole)
}

func isRole(name string) bool { return name != "" && len(name) <= 63 && !strings.ContainsRune(name, 0) }

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}
