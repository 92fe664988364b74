/* Preloaded into opendkim: syslog(3) writes to the UNIX datagram socket named by
   ORACLE_LOG, in the form syslog(3) itself uses. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char name[64] = "?";
static int standard_facility = 1 << 3;

static void send_line(int priority, const char *format, va_list arguments)
{
	int saved = errno;
	const char *path = getenv("ORACLE_LOG");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	static __thread char expanded[8192], line[65536];
	size_t used = 0;
	int n, fd;

	if (path == NULL)
		return;
	if ((priority & ~7) == 0)
		priority |= standard_facility;
	for (const char *p = format; *p != '\0' && used < sizeof expanded - 300; p++) {
		if (p[0] == '%' && p[1] == 'm') {
			used += snprintf(expanded + used, 256, "%s", strerror(saved));
			p++;
		} else
			expanded[used++] = *p;
	}
	expanded[used] = '\0';
	n = snprintf(line, sizeof line, "<%d>%s: ", priority, name);
	n += vsnprintf(line + n, sizeof line - n, expanded, arguments);
	if (n >= (int)sizeof line)
		n = sizeof line - 1;
	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0) {
		sendto(fd, line, n, 0, (struct sockaddr *)&to, sizeof to);
		close(fd);
	}
	errno = saved;
}

void openlog(const char *ident, int options, int facility)
{
	(void)options;
	if (ident != NULL)
		snprintf(name, sizeof name, "%s", ident);
	if (facility != 0)
		standard_facility = facility;
}

void closelog(void) {}

void syslog(int priority, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	send_line(priority, format, arguments);
	va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list arguments;
	(void)flag;
	va_start(arguments, format);
	send_line(priority, format, arguments);
	va_end(arguments);
}

void vsyslog(int priority, const char *format, va_list arguments) { send_line(priority, format, arguments); }

void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments)
{
	(void)flag;
	send_line(priority, format, arguments);
}
