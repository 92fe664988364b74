package config

// historicOptions are known to older releases and to dkim-milter. They are
// read, told of and ignored, so that an old file still works.
func historicOptions() []Option {
	const adsp = "Part of author domain signing practices (RFC 5617), which was given up in 2013. DMARC has taken its place."
	const reputation = "Part of a reputation service that does not exist any more."
	rows := []Option{
		{Name: "ADSPAction", Since: "2.10", Doc: adsp},
		{Name: "ADSPDiscard", Since: "2.0", Doc: adsp},
		{Name: "ADSPNoSuchDomain", Since: "2.10", Doc: adsp},
		{Name: "BogusPolicy", Since: "2.10", Doc: adsp},
		{Name: "DisableADSP", Since: "2.10", Doc: adsp},
		{Name: "InsecurePolicy", Since: "2.10", Doc: adsp},
		{Name: "LocalADSP", Since: "2.10", Doc: adsp},
		{Name: "NoDiscardableMailTo", Since: "2.10", Doc: adsp},
		{Name: "On-PolicyError", Since: "2.10", Doc: adsp},
		{Name: "SendADSPReports", Since: "2.10", Doc: adsp},
		{Name: "UnprotectedPolicy", Since: "2.10", Doc: adsp},
		{Name: "AddAllSignatureResults", Since: "2.11", Doc: "Put the result of each signature into Authentication-Results; that is always done."},
		{Name: "SingleAuthResult", Since: "2.11", Doc: "Put the result of one signature alone into Authentication-Results. Each signature has its result now."},
		{Name: "AlwaysSignHeaders", Since: "2.5", instead: "OversignHeaders", Doc: "The former name of OversignHeaders."},
		{Name: "AnonymousDomains", Since: "2.4", Doc: "Part of statistics for a project that has ended."},
		{Name: "AnonymousStatistics", Since: "2.5", Doc: "Hashed names and addresses in Statistics; they stand there as they are now."},
		{Name: "BodyLengths", Since: "2.1", instead: "BodyLengthDB", Doc: "Put the body's length into each signature."},
		{Name: "BodyLengthDBFile", Since: "2.4", instead: "BodyLengthDB", Doc: "The former name of BodyLengthDB."},
		{Name: "InsecureKey", Since: "2.5", instead: "UnprotectedKey", Doc: "The former name of UnprotectedKey."},
		{Name: "KeyList", Since: "2.1", instead: "KeyTable and SigningTable", Doc: "A file that named a key for each sender. Mail is not signed by it any more."},
		{Name: "LDAPSoftStart", Since: "2.10", instead: "SoftStart", Doc: "The former name of SoftStart."},
		{Name: "LuaOnlySigning", Since: "2.10", instead: "SetupPolicyScript", Doc: "Let Lua scripts alone decide on signing; a SetupPolicyScript without a SigningTable does."},
		{Name: "ResolvConf", Since: "2.5", instead: "Nameservers", Doc: "A file to read name servers from."},
		{Name: "UnboundConfigFile", Since: "2.5", instead: "Nameservers and TrustAnchorFile", Doc: "A configuration file for the Unbound library."},
		{Name: "DKIMReputationFail", Since: "2.9", Doc: reputation},
		{Name: "DKIMReputationPass", Since: "2.9", Doc: reputation},
		{Name: "DKIMReputationReject", Since: "2.9", Doc: reputation},
		{Name: "DKIMReputationRoot", Since: "2.9", Doc: reputation},
		{Name: "ReputationRoot", Since: "2.5", Doc: reputation},
		{Name: "ReputationRRDHashDepth", Since: "2.9", Doc: reputation},
		{Name: "ReputationRRDRoot", Since: "2.9", Doc: reputation},
		{Name: "UseASPDiscard", Since: "1.0", Doc: adsp},
		{Name: "UseSSPDeny", Since: "1.0", Doc: adsp},
	}
	for i := range rows {
		rows[i].Type, rows[i].Status, rows[i].Topic = String, Historic, Obsolete
	}
	return rows
}
