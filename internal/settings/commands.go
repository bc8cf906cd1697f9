package settings

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The parts of one machine get different admin ports, so that they run beside
// each other without a setting.
const (
	serverAdmin     = "127.0.0.1:9090"
	workerAdmin     = "127.0.0.1:9091"
	controllerAdmin = "127.0.0.1:9092"
)

// Server is the configuration of `healthrecords server`.
type Server struct {
	Common           Common
	Admin            Admin
	Database         Database
	Redis            Redis
	ListenAddress    string        `env:"LISTEN_ADDRESS" envDefault:"127.0.0.1:8000" help:"host:port that the API listens on"`
	PublicURL        string        `env:"PUBLIC_URL" help:"URL under which clients reach the API; empty: that of the request"`
	SigningKeysDir   string        `env:"SIGNING_KEYS_DIR" help:"directory of the keys that sign access tokens (required; healthrecords keys generate makes one)"`
	TokenIssuer      string        `env:"TOKEN_ISSUER" envDefault:"healthrecords" help:"iss claim of access tokens"`
	TokenAudience    string        `env:"TOKEN_AUDIENCE" envDefault:"healthrecords" help:"aud claim of access tokens"`
	TOTPKey          Secret        `env:"TOTP_KEY" help:"key that seals the secrets of second factors, 24 random characters or more; empty: nobody can enrol one"`
	TOTPRoles        List          `env:"TOTP_REQUIRED_ROLES" help:"roles that may do nothing without a second factor, of PATIENT, DOCTOR and ADMIN, separated by commas"`
	CORSOrigins      List          `env:"CORS_ORIGINS" help:"origins whose pages may call the API, separated by commas; * for any; empty: none"`
	TrustedProxies   List          `env:"TRUSTED_PROXIES" help:"networks of the proxies in front, e.g. 10.0.0.0/8,fd00::/8, whose X-Forwarded-For tells the client's address; empty: clients connect themselves"`
	Connections      int           `env:"MAX_CONNECTIONS" envDefault:"4096" help:"connections to the API that are held open at once; further ones are closed"`
	PerAddress       int           `env:"MAX_CONNECTIONS_PER_ADDRESS" envDefault:"512" help:"those of them that one IPv4 address or one IPv6 /64 may have; TRUSTED_PROXIES have no such limit"`
	DoctorAutoVerify bool          `env:"DOCTOR_AUTO_VERIFY" envDefault:"false" help:"verify a doctor's license at registration; for development only"`
	BreakGlass       time.Duration `env:"BREAK_GLASS_DURATION" envDefault:"1h" help:"how long a doctor's emergency access lasts, 1m to 24h"`
	SelfAssignment   string        `env:"DOCTOR_SELF_ASSIGNMENT" envDefault:"confirm" help:"how doctors assign themselves to patients: confirm (password or second factor, a reason and an end), open (by asking) or off"`
	ShutdownDelay    time.Duration `env:"SHUTDOWN_DELAY" envDefault:"0s" help:"time after SIGTERM that new requests are still answered, each answer closing its connection, so that clients move on"`
	ShutdownGrace    time.Duration `env:"SHUTDOWN_GRACE" envDefault:"20s" help:"time that requests get to end after that"`
	TLSCertFile      string        `env:"TLS_CERT_FILE" help:"path of the PEM certificate to serve HTTPS with, read again when it changes; empty: HTTP"`
	TLSKeyFile       string        `env:"TLS_KEY_FILE" help:"path of its PEM key"`
}

func (s *Server) prepare() { s.Admin.Address = serverAdmin }

func (s *Server) validate(f *ValidationErrors) {
	s.Common.validate(f)
	s.Admin.validate(f)
	s.Database.validate(f)
	s.Redis.validate(f)
	f.require(isAddress(s.ListenAddress), "LISTEN_ADDRESS", badAddress)
	f.require(s.PublicURL == "" || isOrigin(s.PublicURL), "PUBLIC_URL", "is not an http or https URL without a path; write for example https://records.example.org")
	f.require(s.SigningKeysDir != "", "SIGNING_KEYS_DIR", "is not set; name a directory and run `healthrecords keys generate --dir` on it")
	f.require(s.TOTPKey == "" || len(s.TOTPKey) >= 24, "TOTP_KEY", "is too short; give 24 random characters or more, for example those of `openssl rand -base64 24`")
	for _, role := range s.TOTPRoles {
		f.require(slices.Contains([]string{"PATIENT", "DOCTOR", "ADMIN"}, role), "TOTP_REQUIRED_ROLES", "holds what is no role; write for example ADMIN,DOCTOR")
	}
	f.require(len(s.TOTPRoles) == 0 || s.TOTPKey != "", "TOTP_REQUIRED_ROLES", "needs TOTP_KEY; set it, or nobody of these roles can do anything")
	for _, origin := range s.CORSOrigins {
		f.require(origin == "*" || isOrigin(origin), "CORS_ORIGINS", "holds what is no origin; write for example https://portal.example.org,https://app.example.org")
	}
	f.require(s.BreakGlass >= time.Minute && s.BreakGlass <= 24*time.Hour, "BREAK_GLASS_DURATION", "must be from 1m to 24h")
	f.require(slices.Contains([]string{"confirm", "open", "off"}, s.SelfAssignment), "DOCTOR_SELF_ASSIGNMENT", "must be confirm, open or off")
	for _, network := range s.TrustedProxies {
		_, err := netip.ParsePrefix(network)
		f.require(err == nil, "TRUSTED_PROXIES", "holds what is no network; write for example 10.0.0.0/8,192.0.2.7/32")
	}
	f.require(s.Connections >= 1, "MAX_CONNECTIONS", "must be 1 or more")
	f.require(s.PerAddress >= 1, "MAX_CONNECTIONS_PER_ADDRESS", "must be 1 or more")
	f.require(s.ShutdownDelay >= 0, "SHUTDOWN_DELAY", "must not be negative")
	f.require(s.ShutdownGrace > 0, "SHUTDOWN_GRACE", badPositive)
	f.require((s.TLSCertFile == "") == (s.TLSKeyFile == ""), "TLS_CERT_FILE", "and TLS_KEY_FILE go together; give both, or neither")
}

// HasTLS says that the server serves HTTPS.
func (s *Server) HasTLS() bool { return s.TLSCertFile != "" }

// Worker is the configuration of `healthrecords worker`.
type Worker struct {
	Common       Common
	Admin        Admin
	Database     Database
	Redis        Redis
	Concurrency  int           `env:"WORKER_CONCURRENCY" envDefault:"2" help:"batches of events handled at the same time"`
	BatchSize    int           `env:"WORKER_BATCH_SIZE" envDefault:"100" help:"events taken at once"`
	PollInterval time.Duration `env:"WORKER_POLL_INTERVAL" envDefault:"100ms" help:"how often an idle worker looks for new events"`
	RetryAfter   time.Duration `env:"WORKER_RETRY_AFTER" envDefault:"10s" help:"time after which an unfinished event is delivered again; doubles each time"`
	MaxAttempts  int           `env:"WORKER_MAX_ATTEMPTS" envDefault:"10" help:"deliveries of a failing event before it is set aside for a person to look at"`
	MaxBacklog   int           `env:"WORKER_MAX_BACKLOG" envDefault:"10000" help:"entries in the stream above which no more are published"`
	KeepFinished time.Duration `env:"WORKER_KEEP_FINISHED" envDefault:"168h" help:"age at which finished events are deleted"`
	AuditKeysDir string        `env:"AUDIT_KEYS_DIR" help:"directory of the keys that seal the audit log (required; healthrecords keys generate makes one)"`
}

func (w *Worker) prepare() { w.Admin.Address = workerAdmin }

func (w *Worker) validate(f *ValidationErrors) {
	w.Common.validate(f)
	w.Admin.validate(f)
	w.Database.validate(f)
	w.Redis.validate(f)
	f.require(w.Concurrency >= 1 && w.Concurrency <= 256, "WORKER_CONCURRENCY", "must be from 1 to 256")
	f.require(w.BatchSize >= 1 && w.BatchSize <= 10000, "WORKER_BATCH_SIZE", "must be from 1 to 10000")
	f.require(w.PollInterval > 0, "WORKER_POLL_INTERVAL", badPositive)
	f.require(w.RetryAfter >= time.Second, "WORKER_RETRY_AFTER", "must be 1s or more")
	f.require(w.MaxAttempts >= 1, "WORKER_MAX_ATTEMPTS", "must be 1 or more")
	f.require(w.MaxBacklog >= w.BatchSize, "WORKER_MAX_BACKLOG", "must not be below WORKER_BATCH_SIZE")
	f.require(w.KeepFinished >= time.Hour, "WORKER_KEEP_FINISHED", "must be 1h or more")
	f.require(w.AuditKeysDir != "", "AUDIT_KEYS_DIR", "is not set; name a directory, another one than the server's, and run `healthrecords keys generate --dir` on it")
}

// Controller is the configuration of `healthrecords controller`.
type Controller struct {
	Common                  Common
	Admin                   Admin
	Database                Database
	Kubeconfig              string        `env:"KUBECONFIG" help:"kubeconfig of the cluster; empty: the one this runs in"`
	Namespace               string        `env:"WATCH_NAMESPACE" help:"the only namespace to watch; empty: all"`
	LeaderElect             bool          `env:"LEADER_ELECT" envDefault:"true" help:"let one of several replicas work"`
	LeaderElectionNamespace string        `env:"LEADER_ELECTION_NAMESPACE" help:"namespace of the election's Lease; empty: the one this runs in"`
	Resync                  time.Duration `env:"RESYNC_INTERVAL" envDefault:"1m" help:"how often each object is compared with the database"`
}

func (c *Controller) prepare() { c.Admin.Address = controllerAdmin }

func (c *Controller) validate(f *ValidationErrors) {
	c.Common.validate(f)
	c.Admin.validate(f)
	c.Database.validate(f)
	f.require(c.Resync >= time.Second, "RESYNC_INTERVAL", "must be 1s or more")
}

// Tool is the configuration of the subcommands that work on the database and
// end: admin create.
type Tool struct {
	Common   Common
	Database Database
}

func (t *Tool) prepare() {}

func (t *Tool) validate(f *ValidationErrors) {
	t.Common.validate(f)
	t.Database.validate(f)
}

// Migrate is the configuration of `healthrecords migrate`.
type Migrate struct {
	Common             Common
	Database           Database
	ServerRole         string `env:"SERVER_DATABASE_ROLE" envDefault:"healthrecords_server" help:"role that the server logs in to Postgres as"`
	ServerPassword     Secret `env:"SERVER_DATABASE_PASSWORD" help:"its password; with it, the role is made and gets its rights"`
	WorkerRole         string `env:"WORKER_DATABASE_ROLE" envDefault:"healthrecords_worker" help:"the worker's role"`
	WorkerPassword     Secret `env:"WORKER_DATABASE_PASSWORD" help:"its password"`
	ControllerRole     string `env:"CONTROLLER_DATABASE_ROLE" envDefault:"healthrecords_controller" help:"the controller's role"`
	ControllerPassword Secret `env:"CONTROLLER_DATABASE_PASSWORD" help:"its password"`
}

func (m *Migrate) prepare() {}

func (m *Migrate) validate(f *ValidationErrors) {
	m.Common.validate(f)
	m.Database.validate(f)
	const badRole = "must be 1 to 63 bytes long and another one than the other parts have"
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
