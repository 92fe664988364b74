package config

// serviceOptions are about the process.
func serviceOptions() []Option {
	return []Option{
		{Name: "Socket", Type: SocketAddress, Repeatable: true, NeedsRestart: true, Examples: []string{"inet:8891@localhost", "local:/run/opendkim/opendkim.sock"},
			Doc: "Where the mail server finds the filter: inet:PORT@HOST (IPv4), inet6:PORT@HOST, or local:PATH for a UNIX socket; without a host all interfaces. There must be one, here or with -p. Behind it may stand mode=, owner= and group= for a UNIX socket, and sign, verify or both to do only that with what comes in there. Of several plain lines the last one counts, as in OpenDKIM; as soon as one of them carries such a word, all of them count. Examples: inet:8891@localhost; local:/run/opendkim/opendkim.sock mode=0660 group=postfix. Sockets that systemd hands over take the place of all; one named sign or verify (FileDescriptorName) does only that."},
		{Name: "Background", Type: Boolean, Default: "yes", NeedsRestart: true,
			Doc: "Goes to the background: the command returns when the sockets listen. -f and systemd's Type=notify want no."},
		{Name: "PidFile", Type: Path, NeedsRestart: true,
			Doc: "A file for the process ID, written at start and removed at the end."},
		{Name: "UserID", Type: String, NeedsRestart: true, Examples: []string{"opendkim"}, read: as(parseUser, "write a user, or user:group"),
			Doc: "The user to become once everything that needs root is done, with all groups of that user; user:group names another primary group. Example: opendkim."},
		{Name: "UMask", Type: Octal, NeedsRestart: true,
			Doc: "The permission bits that new files and UNIX sockets do not get. Begin it with 0 to have it read as octal: 007 lets the user and the group use the socket, 002 everybody."},
		{Name: "BaseDirectory", Type: Path,
			Doc: "The folder to work in; relative paths elsewhere in the file start there. Include lines are read before."},
		{Name: "ChangeRootDirectory", Type: Path, NeedsRestart: true,
			Doc: "The folder to lock the process into (chroot), which root alone can do. UserID should be set too. Keys of a KeyTable are then looked for below it."},
		{Name: "AutoRestart", Type: Boolean, Default: "no", NeedsRestart: true,
			Doc: "Starts the filter anew when it dies. Bound it by AutoRestartRate or AutoRestartCount. systemd's Restart= does the same."},
		{Name: "AutoRestartCount", Type: Integer, Default: "0", NeedsRestart: true,
			Doc: "After how many such starts to give up; 0 never."},
		{Name: "AutoRestartRate", Type: Rate, NeedsRestart: true,
			Doc: "How many such starts in which time are too many: 10/1h gives up at more than ten in an hour. The units are s, m, h and d."},
		{Name: "AutoReload", Since: "dojang", Type: Boolean, Default: "no",
			Doc: "Reads changed tables and keys without a signal, once they have been left alone for a moment. What does not pass the checks is reported, and the old one kept."},
		{Name: "EnableCoredumps", Type: Boolean, Default: "no",
			Doc: "Lets the system write a core file if the filter crashes, although it changed its user."},
		{Name: "Include", Type: Path,
			Doc: "Reads another configuration file at this place. Up to five levels; a file that includes itself is an error. A relative path is relative to the folder in which the filter was started: write whole paths."},
		{Name: "TemporaryDirectory", Type: Path, Default: "/tmp",
			Doc: "Where KeepTemporaryFiles puts its files."},
		{Name: "DisableCryptoInit", Type: Boolean, Default: "no", Status: Ignored,
			Doc: "Leaves the set-up of the OpenSSL library to others. There is no such library here."},
		{Name: "MilterDebug", Type: Integer, Default: "0",
			Doc: "How much of the talk with the mail server is logged, at the level debug: 0 nothing, 1 connections, 2 commands and answers, 3 addresses too, 4 names of header fields, 5 their values, 6 the beginnings of bodies. From 3 on the log holds people's mail."},
	}
}

// loggingOptions are about what is told of the work.
func loggingOptions() []Option {
	return []Option{
		{Name: "Syslog", Type: Boolean, Default: "no",
			Doc: "Logs through syslog(3). Without it, and without StdoutLog, nothing is logged in the background."},
		{Name: "SyslogFacility", Type: String, Default: "mail",
			Allowed: []string{"auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "security", "syslog", "user", "uucp",
				"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"},
			Doc: "The syslog facility to log under, as in syslog.conf(5). OpenDKIM crashes on an unknown one."},
		{Name: "SyslogName", Type: String,
			Doc: "The program name in syslog lines. Left out, the name by which the filter was called, mostly opendkim. It tells several filters on one machine apart."},
		{Name: "SyslogSocket", Type: String, Default: "/dev/log", Since: "dojang",
			Doc: "The UNIX socket on which syslog listens. A filter in a chroot or a container may find it elsewhere."},
		{Name: "SyslogSuccess", Type: Boolean, Default: "no",
			Doc: "Logs a line for each message that was signed or verified well, not for failures alone."},
		{Name: "LogResults", Type: Boolean, Default: "no",
			Doc: "Logs a line with the result of each signature whose domain, selector and value could be read."},
		{Name: "LogWhy", Type: Boolean, Default: "no",
			Doc: "Logs for each message why it is signed, verified or left alone. Several lines a message: for the time of setting up. `dojang explain` tells the same for one message."},
		{Name: "StdoutLog", Since: "2026", Type: Boolean, Default: "no",
			Doc: "Logs to standard output besides, or in the place of, Syslog: what a container wants. -O does the same."},
		{Name: "LogFormat", Since: "dojang", Type: String, Default: "classic", Allowed: []string{"classic", "json"},
			Doc: "classic logs OpenDKIM's lines word for word; json logs the same events as one object a line, with their fields: to the places that Syslog and StdoutLog name, or to standard error when they name none."},
		{Name: "MetricsSocket", Since: "dojang", Type: SocketAddress, NeedsRestart: true, Examples: []string{"inet:9891@localhost"},
			Doc: "Where Prometheus finds /metrics, and a supervisor /healthz, over HTTP: inet:9891@localhost or local:PATH with mode=, owner= and group=. Keep it off the network."},
		{Name: "StatusSocket", Since: "dojang", Type: SocketAddress, NeedsRestart: true, Examples: []string{"local:/run/opendkim/status.sock mode=0660 group=dojang-web"},
			Doc: "Where `dojang status`, `dojang web` and `dojang rotate` learn what the filter decided of late and which keys it used, over HTTP: local:PATH with mode=, owner= and group=, or an address on loopback. It only tells, and never a private key: queue IDs, signing domains, counts, public keys. Example: local:/run/opendkim/status.sock mode=0660 group=dojang-web."},
		{Name: "StatusMessages", Since: "dojang", Type: Integer, Default: "2000",
			Doc: "How many messages StatusSocket remembers, some 300 bytes each."},
		{Name: "StatusDomains", Since: "dojang", Type: Integer, Default: "200",
			Doc: "How many signing domains StatusSocket counts by name, some 7 kB each; all others are counted together."},
		{Name: "StatusFile", Since: "dojang", Type: Path, NeedsRestart: true,
			Doc: "A file that keeps what StatusSocket tells over a restart, written every five minutes and at the stop: name it where keys are rotated, for without it a key counts as used until the start. Its folder must be writable by the filter's user. Example: /var/lib/opendkim/status."},
		{Name: "StatusAddresses", Since: "dojang", Type: Boolean, Default: "no",
			Doc: "Lets StatusSocket remember each message's author, client address and number of recipients, and the domains of strangers."},
	}
}

// testingOptions are for testing and searching.
func testingOptions() []Option {
	return []Option{
		{Name: "KeepTemporaryFiles", Type: Boolean, Default: "no",
			Doc: "Writes the canonical header and body of each signature made or verified into files in TemporaryDirectory, named dkim., the queue ID and something random, to search for differences. They hold people's mail, nothing removes them, and bodies are held in memory for them. `dojang explain` shows the same for one message without it."},
		{Name: "StrictTestMode", Type: Boolean, Default: "no", NeedsRestart: true,
			Doc: "With -t, calls a message malformed that has a line which does not end in CRLF."},
	}
}
