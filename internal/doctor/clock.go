package doctor

// clock looks whether something keeps the clock right: signatures carry times.
func (r *Report) clock() {
	const check = "clock"
	synchronised, err := clockState()
	switch {
	case err != nil:
		r.skip(check, "clock-unknown", "the clock's state cannot be read: %s", err)
	case !synchronised:
		r.Add(Finding{Check: check, Code: "clock-free", Status: Warning, Remedy: "timedatectl set-ntp true", Advice: "or install chrony"},
			"nothing keeps the clock right; signatures from a clock that is minutes off are refused")
	default:
		r.good(check, "the clock is synchronised")
	}
}
