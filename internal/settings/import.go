package settings

// Import is the configuration of `healthrecords import`. Redis is optional: with
// it, imported doctors appear in the cached directory at once, otherwise within a minute.
type Import struct {
	Common   Common
	Database Database
	Redis    Redis
}

func (i *Import) prepare() {}

func (i *Import) validate(f *ValidationErrors) {
	i.Common.validate(f)
	i.Database.validate(f)
	if i.HasRedis() {
		i.Redis.validate(f)
	}
}

// HasRedis reports whether any setting of Redis is set.
func (i *Import) HasRedis() bool {
	r := i.Redis
	texts := r.URL + r.Password + r.SentinelPassword + r.TLSKey + Secret(r.MasterName+r.Username+r.TLSCA+r.TLSCert)
	return texts != "" || len(r.SentinelAddresses)+len(r.ClusterAddresses) > 0 || r.Database != 0 || r.TLS
}
