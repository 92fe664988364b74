/*
 * Reads values of Authentication-Results, one in hexadecimal a line, with the
 * tokenizer of OpenDMARC or OpenDKIM, whose source AR_SOURCE names, and says for
 * each what it found: the authserv-id and the results, each a method and a result,
 * then type.name and value of each property, all in hexadecimal with "/" between, and
 * blanks between the results; or "-" where it found no field.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

/* What it includes of its own is left out; this is all that it needs of it. */
#define _OPENDMARC_H_
#define _DKIM_H_
#define _OPENDKIM_H_
#define __P(x) x
#undef TRUE
#undef FALSE
#define TRUE 1
#define FALSE 0
#define MAXHEADER 1024
#define DKIM_MAXHEADER 4096
#define DMARC_MAXHOSTNAMELEN 256
#define DKIM_MAXHOSTNAMELEN 256

#if !defined(__GLIBC__) || __GLIBC__ < 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ < 38)
static size_t strlcpy(char *to, const char *from, size_t size) {
	size_t n = strlen(from), m = n < size - 1 ? n : size - 1;
	memcpy(to, from, m);
	to[m] = '\0';
	return n;
}
static size_t strlcat(char *to, const char *from, size_t size) {
	size_t n = strnlen(to, size);
	return n == size ? n : n + strlcpy(to + n, from, size - n);
}
#endif

#include AR_SOURCE

static const char *name_of(struct lookup *table, int code) {
	for (; table->str != NULL; table++)
		if (table->code == code)
			return table->str;
	return "?";
}

static void hex(const char *s) {
	for (; *s != '\0'; s++)
		printf("%02x", (unsigned char)*s);
}

static void show(struct authres *ar) {
	hex((char *)ar->ares_host);
	for (int i = 0; i < ar->ares_count; i++) {
		struct result *r = &ar->ares_result[i];
		putchar(' ');
		hex(name_of(methods, r->result_method));
		putchar('/');
		hex(name_of(aresults, r->result_result));
		for (int j = 0; j < r->result_props && j < MAXPROPS; j++) {
			putchar('/');
			hex(name_of(ptypes, r->result_ptype[j]));
			printf("2e");
			hex((char *)r->result_property[j]);
			putchar('/');
			hex((char *)r->result_value[j]);
		}
	}
	putchar('\n');
}

int main(void) {
	static char line[1 << 20];
	static unsigned char value[1 << 19];
	/* OpenDMARC writes behind the end of this when there are many results. */
	struct authres *ar = calloc(200, sizeof *ar);
	while (fgets(line, sizeof line, stdin) != NULL) {
		size_t n = 0;
		unsigned int c;
		for (char *p = line; sscanf(p, "%2x", &c) == 1 && isxdigit((unsigned char)*p); p += 2)
			value[n++] = c;
		value[n] = '\0';
		memset(ar, 0, 2 * sizeof *ar);
		if (ares_parse(value, ar) != 0)
			puts("-");
		else
			show(ar);
		fflush(stdout);
	}
	return 0;
}
