package config

// dataOptions are about data sets in databases.
func dataOptions() []Option {
	return []Option{
		{Name: "SoftStart", Type: Boolean, Default: "no",
			Doc: "Starts although an LDAP or SQL server cannot be reached; the connection is tried again at each look-up."},
		{Name: "DataSetCacheTTL", Since: "dojang", Type: Duration, Default: "30s",
			Doc: "For how long a row of a data set on a server (SQL, LDAP, Redis, memcached, a socket, HTTP) is used before the server is asked for it again: a changed row is in force after that time. 0 asks each time. While the server is away, rows that it gave within the last day are used. Example: DataSetCacheTTL 5m"},
		{Name: "DataSetNegativeTTL", Since: "dojang", Type: Duration, Default: "5s",
			Doc: "For how long it is remembered that a data set on a server has no row for a key: a new row is in force after that time. 0 asks each time. Example: DataSetNegativeTTL 30s"},
		{Name: "DataSetCacheSize", Since: "dojang", Type: Integer, Default: "64",
			Doc: "How many MiB of answers are remembered for each data set on a server, the last known rows for an outage among them; 64 are some 250,000 rows of a SigningTable, or 35,000 of a KeyTable with RSA keys in it. What was not used for the longest time is forgotten first. Example: DataSetCacheSize 512"},
		{Name: "LDAPAuthMechanism", Type: String,
			Doc: "How to log in at LDAP servers: simple (the default), EXTERNAL or DIGEST-MD5."},
		{Name: "LDAPAuthName", Type: String,
			Doc: "The authorisation identity for a SASL login at LDAP servers."},
		{Name: "LDAPAuthRealm", Type: String,
			Doc: "The realm for a SASL login at LDAP servers."},
		{Name: "LDAPAuthUser", Type: String,
			Doc: "The user for a SASL login at LDAP servers."},
		{Name: "LDAPBindUser", Type: String,
			Doc: "The distinguished name to log in with at LDAP servers. Without it the login is anonymous."},
		{Name: "LDAPBindPassword", Type: String, Secret: true,
			Doc: "The password that goes with LDAPBindUser. Keep the configuration file unreadable for others."},
		{Name: "LDAPDisableCache", Type: Boolean, Default: "no",
			Doc: "Asks the LDAP server anew for each look-up, whatever DataSetCacheTTL says."},
		{Name: "LDAPKeepaliveIdle", Type: Duration,
			Doc: "After how many idle seconds TCP begins to probe whether an LDAP server is still there. The system decides when not set."},
		{Name: "LDAPKeepaliveInterval", Type: Duration,
			Doc: "How many seconds lie between two such probes."},
		{Name: "LDAPKeepaliveProbes", Type: Integer,
			Doc: "After how many such probes without an answer the connection counts as lost."},
		{Name: "LDAPTimeout", Type: Duration, Default: "5",
			Doc: "For how many seconds to wait for an LDAP server."},
		{Name: "LDAPUseTLS", Type: Boolean, Default: "no",
			Doc: "Secures connections to ldap: servers by StartTLS."},
	}
}

// scriptOptions are about Lua.
func scriptOptions() []Option {
	return []Option{
		{Name: "SetupPolicyScript", Type: Path,
			Doc: "A Lua script run when a message's header has arrived. It can ask for signatures or verification by itself; with a KeyTable it takes the place of a SigningTable. See opendkim-lua(3)."},
		{Name: "ScreenPolicyScript", Type: Path,
			Doc: "A Lua script run once a message's signatures are known and before they are verified. It can have some of them ignored. See opendkim-lua(3)."},
		{Name: "FinalPolicyScript", Type: Path,
			Doc: "A Lua script run when a message is complete and verified. It can reject, hold, redirect or change the message. See opendkim-lua(3)."},
		{Name: "StatisticsPolicyScript", Type: Path,
			Doc: "A Lua script run after verification that can add figures of its own to Statistics. Debian's OpenDKIM is built without it."},
		{Name: "ScriptUnsafe", Since: "dojang", Type: Boolean, Default: "no",
			Doc: "Gives Lua scripts the libraries os and io, with which they can run programs and write files. OpenDKIM always does."},
	}
}
