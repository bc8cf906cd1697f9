package settings

// Import is the configuration of `healthrecords import`. Redis is optional: with
// it, imported doctors are in the cached directory at once, else within a minute.
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

// HasRedis reports whether one of the ways to reach Redis is set.
func (i *Import) HasRedis() bool {
	return i.Redis.URL != "" || len(i.Redis.SentinelAddresses) > 0 || len(i.Redis.ClusterAddresses) > 0
}
