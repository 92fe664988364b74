# send.pl FIRST LAST: sends the messages of these numbers, each until it is accepted.
# A temporary refusal, or none at all, is what a mail server would try again after.
use strict;
use warnings;
use IO::Socket::INET;

my ($first, $last) = @ARGV;
my $again = 0;

sub told {
	my ($s) = @_;
	while (my $line = <$s>) {
		return $line if $line =~ /^\d\d\d /;
	}
	return "421 gone";
}

sub sent {
	my ($n) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:25", Timeout => 20) or return 0;
	return 0 if told($s) !~ /^2/;
	for my $command ("EHLO client.example.com", "MAIL FROM:<a\@example.com>", "RCPT TO:<reports\@example.com>", "DATA") {
		print $s "$command\r\n";
		return 0 if told($s) !~ /^[23]/;
	}
	my $body = "number $n\r\n" x 40;
	print $s "From: a\@example.com\r\nTo: reports\@example.com\r\nSubject: load\r\nMessage-ID: <$n\@example.com>\r\n\r\n$body.\r\n";
	my $answer = told($s);
	die "refused for good: $answer" if $answer =~ /^5/;
	return $answer =~ /^2/;
}

for my $n ($first .. $last) {
	until (sent($n)) {
		$again++;
		select(undef, undef, undef, 0.2);
	}
	select(undef, undef, undef, 0.01);
}
print "$again\n";
