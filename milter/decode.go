package milter

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
)

// cString takes a NUL-terminated string off b.
func cString(command byte, b []byte) (s, rest []byte, err error) {
	before, after, ok := bytes.Cut(b, []byte{0})
	if !ok {
		return nil, nil, protocolError(command, "string without NUL")
	}
	return before, after, nil
}

// decodeConnect reads host NUL family [port address NUL].
func decodeConnect(b []byte) (host string, addr ConnAddr, err error) {
	h, rest, err := cString(CommandConnect, b)
	if err != nil {
		return "", addr, err
	}
	if len(rest) == 0 {
		return "", addr, protocolError(CommandConnect, "no address family")
	}
	addr.Family, rest = rest[0], rest[1:]
	if addr.Family == FamilyUnknown {
		return string(h), addr, nil
	}
	if len(rest) < 2 {
		return "", addr, protocolError(CommandConnect, "no port")
	}
	addr.Port = binary.BigEndian.Uint16(rest)
	a, _, err := cString(CommandConnect, rest[2:])
	if err != nil {
		return "", addr, err
	}
	switch addr.Family {
	case FamilyLocal:
		addr.Path = string(a)
	case FamilyInet, FamilyInet6:
		text := string(a)
		if len(text) > 5 && strings.EqualFold(text[:5], "IPv6:") { // as Sendmail writes it
			text = text[5:]
		}
		addr.Addr, err = netip.ParseAddr(text)
		if err != nil {
			return "", addr, protocolError(CommandConnect, "address %s", quote(a))
		}
	default:
		return "", addr, protocolError(CommandConnect, "address family %s", quote([]byte{addr.Family}))
	}
	return string(h), addr, nil
}

// decodeStrings reads NUL-terminated strings, at least one.
func decodeStrings(command byte, b []byte) (first string, rest []string, err error) {
	if len(b) == 0 || b[len(b)-1] != 0 {
		return "", nil, protocolError(command, "string without NUL")
	}
	n := bytes.IndexByte(b, 0)
	first, b = string(b[:n]), b[n+1:]
	for len(b) > 0 {
		n = bytes.IndexByte(b, 0)
		rest = append(rest, string(b[:n]))
		b = b[n+1:]
	}
	return first, rest, nil
}

// decodeHeader reads name NUL value NUL. A NUL within the value stays in it: the
// message has it there.
func decodeHeader(b []byte) (name, value []byte, err error) {
	name, value, err = cString(CommandHeader, b)
	if err != nil {
		return nil, nil, err
	}
	if len(value) == 0 || value[len(value)-1] != 0 {
		return nil, nil, protocolError(CommandHeader, "value without NUL")
	}
	return name, value[:len(value)-1], nil
}

// negotiate decides what is granted; offer is version, actions, protocol.
func negotiate(offer []byte, o *Options) (n Negotiation, err error) {
	if len(offer) < negotiatePartBytes {
		return n, protocolError(CommandNegotiate, "%d octets instead of %d", len(offer), negotiatePartBytes)
	}
	n.Version = binary.BigEndian.Uint32(offer)
	n.OfferedActions = ActionMask(binary.BigEndian.Uint32(offer[4:]))
	n.OfferedProtocol = ProtocolMask(binary.BigEndian.Uint32(offer[8:]))
	if n.Version < minVersion {
		return n, protocolError(CommandNegotiate, "the MTA speaks version %d, at least %d is needed", n.Version, minVersion)
	}
	n.Version = min(n.Version, maxVersion)
	actions, protocol := n.OfferedActions, n.OfferedProtocol
	// An MTA that offers nothing is one that does not know offers, as libmilter has it.
	if actions == 0 {
		actions = actionsV1
	}
	if protocol == 0 {
		protocol = protocolV1
	}
	if missing := o.Required &^ actions; missing != 0 {
		return n, protocolError(CommandNegotiate, "the MTA does not offer the needed actions %#x", uint32(missing))
	}
	n.Actions = (o.Actions | o.Required) & actions & AllActions
	if len(o.Macros) > 0 {
		n.Actions |= ActionSetMacros & actions
	}
	wanted, _ := o.Skip.bits()
	_, noReply := o.NoReply.bits()
	wanted |= noReply
	if o.WantSkip {
		wanted |= CanSkip
	}
	if o.WantHeaderLeadingSpace {
		wanted |= HeaderLeadingSpace
	}
	n.Protocol = wanted & protocol & allProtocol
	n.LeadingSpace = n.Protocol&HeaderLeadingSpace != 0
	n.Skip = n.Protocol&CanSkip != 0
	return n, nil
}

// appendNegotiation appends the answer's frame.
func appendNegotiation(out []byte, n Negotiation, macros map[Stage][]string) []byte {
	start := len(out)
	out = append(out, 0, 0, 0, 0, replyNegotiate)
	out = binary.BigEndian.AppendUint32(out, n.Version)
	out = binary.BigEndian.AppendUint32(out, uint32(n.Actions))
	out = binary.BigEndian.AppendUint32(out, uint32(n.Protocol))
	if n.Actions&ActionSetMacros != 0 {
		for stage := range stageCount {
			names, ok := macros[stage]
			if !ok {
				continue
			}
			out = binary.BigEndian.AppendUint32(out, uint32(stage))
			out = append(out, strings.Join(names, " ")...)
			out = append(out, 0)
		}
	}
	return endFrame(out, start)
}

// endFrame writes the length of the frame that began at start.
func endFrame(out []byte, start int) []byte {
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start-4))
	return out
}

func appendResponse(out []byte, r Response) []byte {
	if r == "" {
		r = Continue
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(r)))
	return append(out, r...)
}
