// Package postfix reads how a Postfix hands mail to milters: by postconf(1), so that
// variables, overrides and defaults are what Postfix itself makes of them.
package postfix

import (
	"context"
	"errors"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// Runner runs one of Postfix's programs and returns what it prints; nil runs it.
type Runner func(ctx context.Context, program string, args ...string) (string, error)

func (run Runner) run(ctx context.Context, program string, args ...string) (string, error) {
	if run != nil {
		return run(ctx, program, args...)
	}
	out, err := exec.CommandContext(ctx, program, args...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) && len(failed.Stderr) > 0 {
		lines := strings.Split(strings.TrimSpace(string(failed.Stderr)), "\n")
		err = errors.New(lines[len(lines)-1])
	}
	return string(out), err
}

// Setup is one instance of Postfix.
type Setup struct {
	Dir      string            // configuration folder, "" for the one that programs take by themselves
	Raw      map[string]string // main.cf and defaults as written, the lines of one joined
	Main     map[string]string // expanded
	Services []Service         // of master.cf that take mail in or send it, in its order
	run      Runner
}

// Service is an entry of master.cf.
type Service struct {
	Name     string            // "smtp", "127.0.0.1:10025", ...
	Type     string            // inet, pass, unix
	Command  string            // smtpd, cleanup, pickup, smtp
	Chroot   bool              //
	Override map[string]string // -o, as written
	Set      map[string]string // what it works with, expanded
}

// ID is how postconf(1) names the service.
func (s Service) ID() string { return s.Name + "/" + s.Type }

// parameters are those that matter; every release knows what is not in younger.
var parameters = strings.Fields(`inet_interfaces smtpd_milters non_smtpd_milters milter_default_action milter_protocol milter_connect_macros milter_helo_macros
 milter_mail_macros milter_rcpt_macros milter_data_macros milter_end_of_header_macros milter_end_of_data_macros milter_macro_daemon_name
 milter_connect_timeout milter_command_timeout milter_content_timeout
 milter_header_checks receive_override_options content_filter smtpd_proxy_filter mynetworks smtpd_sasl_auth_enable smtpd_tls_wrappermode cleanup_service_name
 queue_directory config_directory inet_protocols compatibility_level mydestination virtual_alias_domains virtual_mailbox_domains virtual_alias_maps
 myorigin myhostname mydomain internal_mail_filter_classes header_checks smtp_header_checks smtp_generic_maps
 smtp_body_checks smtp_mime_header_checks smtp_nested_header_checks sender_canonical_maps smtp_discard_ehlo_keywords smtp_line_length_limit
 smtpd_client_restrictions smtpd_helo_restrictions smtpd_sender_restrictions smtpd_relay_restrictions smtpd_recipient_restrictions
 smtpd_data_restrictions smtpd_end_of_data_restrictions multi_instance_directories multi_instance_enable smtpd_milter_maps`)

// Read reads the instance in a folder, "" for the default one, that run can ask.
func Read(ctx context.Context, run Runner, dir string) (*Setup, error) {
	s := &Setup{Dir: dir, run: run}
	var err error
	if s.Raw, err = s.settings(ctx, parameters...); err != nil {
		return nil, err
	}
	if s.Main, err = s.settings(ctx, append([]string{"-x"}, parameters...)...); err != nil {
		return nil, err
	}
	return s, s.readMaster(ctx)
}

// postconf asks about this instance.
func (s *Setup) postconf(ctx context.Context, args ...string) (string, error) {
	if s.Dir != "" {
		args = append([]string{"-c", s.Dir}, args...)
	}
	return s.run.run(ctx, "postconf", args...)
}

func (s *Setup) settings(ctx context.Context, args ...string) (map[string]string, error) {
	out, err := s.postconf(ctx, args...)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(line, "="); ok {
			values[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return values, nil
}

// readMaster reads the services that take mail in, and those that send it by SMTP.
func (s *Setup) readMaster(ctx context.Context) error {
	entries, err := s.postconf(ctx, "-M")
	if err != nil {
		return err
	}
	overrides, err := s.postconf(ctx, "-P")
	if err != nil {
		return err
	}
	of := map[string]map[string]string{}
	for line := range strings.Lines(overrides) {
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		i := strings.LastIndexByte(name, '/')
		if !ok || i < 0 {
			continue
		}
		if of[name[:i]] == nil {
			of[name[:i]] = map[string]string{}
		}
		of[name[:i]][name[i+1:]] = strings.TrimSpace(value)
	}
	for line := range strings.Lines(entries) {
		f := strings.Fields(line)
		if len(f) < 8 || !slices.Contains([]string{"smtpd", "cleanup", "pickup", "smtp"}, f[7]) {
			continue
		}
		svc := Service{Name: f[0], Type: f[1], Command: f[7], Chroot: f[4] == "y" || f[4] == "-" && s.oldDefault()}
		svc.Override = of[svc.ID()]
		if svc.Set, err = s.effective(ctx, svc.Override); err != nil {
			return err
		}
		s.Services = append(s.Services, svc)
	}
	return nil
}

// oldDefault reports whether "-" in the column chroot means "y" (COMPATIBILITY_README).
func (s *Setup) oldDefault() bool {
	level := s.Main["compatibility_level"]
	return level == "" || strings.HasPrefix(level, "0")
}

// effective is what a service works with: postconf(1) expands main.cf as it would be
// with the overrides in it.
func (s *Setup) effective(ctx context.Context, override map[string]string) (map[string]string, error) {
	if len(override) == 0 {
		return s.Main, nil
	}
	args := []string{"-x"}
	for _, name := range slices.Sorted(maps.Keys(override)) {
		args = append(args, "-o", name+"="+override[name])
	}
	return s.settings(ctx, append(args, parameters...)...)
}

// Query looks a key up in lookup tables as a list names them, in turn; "" for none.
func (s *Setup) Query(ctx context.Context, tables, key string) (value, table string) {
	members, _ := split(tables)
	for _, table := range members {
		out, err := s.postmap(ctx, "-q", key, direct(table))
		if value := strings.TrimSpace(out); err == nil && value != "" {
			return value, table
		}
	}
	return "", ""
}

func (s *Setup) postmap(ctx context.Context, args ...string) (string, error) {
	if s.Dir != "" {
		args = append([]string{"-c", s.Dir}, args...)
	}
	return s.run.run(ctx, "postmap", args...)
}

// Names are the members of a list of domains, those of its lookup tables and files
// included; unlisted are the tables that cannot list their keys, as those in SQL and LDAP.
func (s *Setup) Names(ctx context.Context, list string) (names, unlisted []string) {
	for _, m := range Members(list) {
		switch {
		case strings.HasPrefix(m, "!"):
		case strings.Contains(m, ":"):
			out, err := s.postmap(ctx, "-s", direct(m))
			if err != nil {
				unlisted = append(unlisted, m)
			}
			for line := range strings.Lines(out) {
				if f := strings.Fields(line); len(f) > 0 {
					names = append(names, f[0])
				}
			}
		case strings.HasPrefix(m, "/"):
			names = append(names, LinesOf(m)...)
		default:
			names = append(names, m)
		}
	}
	return names, unlisted
}
