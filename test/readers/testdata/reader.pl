# As tokenizer.c, with Mail::AuthenticationResults; an argument says how the octets
# become text.
use strict;
use warnings;
use Mail::AuthenticationResults::Parser;
use Encode;

$| = 1;
my $decodes = $ARGV[0] eq 'decoded';

sub hex_of {
	my ($s) = @_;
	$s = '' unless defined $s;
	$s = Encode::encode('UTF-8', $s) if utf8::is_utf8($s);
	return unpack 'H*', $s;
}

while (my $line = <STDIN>) {
	chomp $line;
	my $value = pack 'H*', $line;
	$value = Encode::decode('UTF-8', $value) if $decodes;
	my $header = eval { Mail::AuthenticationResults::Parser->new->parse($value) };
	if (!$header) {
		print "-\n";
		next;
	}
	my @said = hex_of($header->value->value);
	for my $entry (@{$header->children}) {
		next if ref($entry) !~ /Entry$/;
		my @words = (lc($entry->key), lc(defined $entry->value ? $entry->value : ''));
		for my $sub (@{$entry->children}) {
			push @words, lc($sub->key), $sub->value if ref($sub) =~ /SubEntry$/ && defined $sub->value;
		}
		push @said, join '/', map { hex_of($_) } @words;
	}
	print join(' ', @said), "\n";
}
