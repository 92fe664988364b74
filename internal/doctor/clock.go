package doctor

// Clock looks whether something keeps the clock right: signatures carry times.
func (r *Report) Clock() {
	const check = "clock"
	synchronised, err := clockState()
	switch {
	case err != nil:
		r.Add(check, Skipped, "", "the clock's state cannot be read: %s", err)
	case !synchronised:
		r.Add(check, Warning, "timedatectl set-ntp true   (or install chrony)", "nothing keeps the clock right; signatures from a clock that is minutes off are refused")
	default:
		r.Add(check, Good, "", "the clock is synchronised")
	}
}
