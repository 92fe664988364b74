# As tokenizer.c, with SpamAssassin's plugin AuthRes, of a field as it is without folds.
use strict;
use warnings;
use lib $ARGV[0];
use Mail::SpamAssassin::Plugin::AuthRes;

$| = 1;
$SIG{__WARN__} = sub {}; # it warns of positions in what it cannot read

while (my $line = <STDIN>) {
	chomp $line;
	my $value = pack 'H*', $line;
	$value =~ s/\r?\n(?=[ \t])//g;
	my %found = (conf => { authres_trusted_authserv => {}, authres_ignored_authserv => {} });
	my $read = $value =~ /^\s*(.+)/i && eval { Mail::SpamAssassin::Plugin::AuthRes->parse_authres(\%found, 'Authentication-Results', $1) };
	my ($id, @said) = ('');
	if (!$read || !$found{authres_parsed}) {
		print "-\n";
		next;
	}
	for my $method (sort keys %{$found{authres_parsed}}) {
		for my $result (@{$found{authres_parsed}{$method}}) {
			$id = $result->{authserv};
			my @words = ($method, $result->{result});
			for my $type (sort keys %{$result->{properties}}) {
				push @words, "$type.$_", $result->{properties}{$type}{$_} for sort keys %{$result->{properties}{$type}};
			}
			push @said, join '/', map { unpack 'H*', $_ } @words;
		}
	}
	print join(' ', unpack('H*', $id), @said), "\n";
}
