package faults

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dojang/internal/testutil/dnstest"
	"dojang/milter"
	"dojang/test/faults/rig"
)

// TestNameServerMisbehaves sends a message for each way a name server can fail,
// all at once, and good ones beside them.
func TestNameServerMisbehaves(t *testing.T) {
	t.Parallel()
	server := dnstest.New(t, "")
	name := func(selector string) string { return selector + "._domainkey." + rig.Domain }
	fault := func(selector string, f dnstest.Fault) {
		server.AddTXT(name(selector), rig.Record())
		server.SetFault(name(selector), f)
	}
	server.AddTXT(name("good"), rig.Record())
	fault("silent", dnstest.Fault{Silent: true})
	fault("wrongid", dnstest.Fault{WrongID: true})
	fault("wrongname", dnstest.Fault{WrongQuestion: true})
	fault("noquestion", dnstest.Fault{NoQuestion: true})
	fault("slow", dnstest.Fault{Delay: 500 * time.Millisecond})
	fault("truncated", dnstest.Fault{Truncate: true})
	fault("mutetcp", dnstest.Fault{SilentTCP: true})
	fault("closedtcp", dnstest.Fault{CloseTCP: true})
	fault("servfail", dnstest.Fault{Rcode: dns.RcodeServerFailure})
	fault("refused", dnstest.Fault{Rcode: dns.RcodeRefused})
	fault("referral", dnstest.Fault{Referral: true})
	fault("nodata", dnstest.Fault{NoData: true})
	fault("garbage", dnstest.Fault{Wire: []byte("\x00\x00\x81\x80\x00\x01\x00\xff\x00\x00\x00\x00\xc0\x0c\xc0")})
	fault("stray", dnstest.Fault{StrayFirst: 3})
	server.AddTXT(name("huge"), rig.Record()+"; n="+strings.Repeat("x", 60_000))
	server.AddCNAME(name("loop"), name("loop2"))
	server.AddCNAME(name("loop2"), name("loop"))
	server.AddCNAME(name("dangling"), name("nowhere"))

	r := rig.New(t, "Nameservers "+server.Addr+"\nDNSTimeout 1")
	r.Start()
	const later = "451 4.7.5" // On-DNSError's default
	want := map[string]string{
		"good": "dkim=pass", "slow": "dkim=pass", "truncated": "dkim=pass", "stray": "dkim=pass", "huge": "dkim=pass",
		"silent": later, "wrongid": later, "wrongname": later, "noquestion": later,
		"mutetcp": later, "closedtcp": later, "servfail": later, "refused": later,
		"referral": later, "garbage": later, "loop": "dkim=permerror",
		"nodata": "dkim=fail", "dangling": "dkim=fail", "nowhere": "dkim=fail",
	}
	var wait sync.WaitGroup
	for selector, verdict := range want {
		m := rig.SignedBy(t, rig.Foreign(rig.Message("signed by "+selector, 500)), selector)
		c := r.Dial()
		wait.Go(func() {
			begin := time.Now()
			o, err := c.Send(context.Background(), m)
			if err == nil {
				err = checkVerdict(&o, verdict)
			}
			if err != nil {
				t.Errorf("%s: %v", selector, err)
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("%s: answered after %v", selector, took)
			}
		})
	}
	good := rig.SignedBy(t, rig.Foreign(rig.Message("a good one", 500)), "good")
	c := r.Dial()
	begin := time.Now()
	for range 50 {
		o, err := c.Send(context.Background(), good)
		if err == nil {
			err = checkVerdict(&o, "dkim=pass")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("50 good messages beside the bad ones took %v", took)
	}
	wait.Wait()
	r.Signs("after the name server's faults")
	// What failed for now is not remembered for long: the server recovers.
	server.SetFault(name("servfail"), dnstest.Fault{})
	again := rig.SignedBy(t, rig.Foreign(rig.Message("once more", 500)), "servfail")
	r.Until("the server's recovery is noticed", func() bool {
		o, err := r.Dial().Send(context.Background(), again)
		return err == nil && checkVerdict(&o, "dkim=pass") == nil
	})
	r.Stop()
}

// checkVerdict: accepted, with one result field that has this verdict; or put
// off with this reply.
func checkVerdict(o *milter.Outcome, verdict string) error {
	if o.Final.Kind == milter.ReplyCode && strings.HasPrefix(o.Final.Text, verdict) {
		verdict = "dkim=temperror"
	} else if o.Final.Kind != milter.ReplyAccept {
		return fmt.Errorf("answered with %v", o.Final.String())
	}
	found := 0
	for _, e := range o.Edits {
		if e.Name == "Authentication-Results" && strings.Contains(e.Value, verdict) {
			found++
		}
	}
	if found != 1 {
		return fmt.Errorf("%d fields with %s in %v", found, verdict, o.Edits)
	}
	return nil
}
