/* Sockets that are there, stale, taken or refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "io/sock.h"
#include "unit.h"

TEST(a_unix_socket_is_replaced_only_when_nobody_answers)
{
	char folder[] = "/tmp/sock-XXXXXX", path[64], file[64];
	struct errmsg msg = { { 0 } };
	struct stat st;
	int a, b;

	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	CHECK_INT(sock_connect_unix(path, &msg), ERR_NOT_FOUND);
	a = sock_listen_unix(path, 0660, &msg);
	CHECK(a >= 0);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0660);
	CHECK_INT(sock_listen_unix(path, 0660, &msg), ERR_IN_USE);
	b = sock_connect_unix(path, &msg);
	CHECK(b >= 0);
	CHECK(sock_connected(b, NULL) == 0);
	close(b);
	close(a);
	CHECK_INT(sock_connect_unix(path, &msg), ERR_UNAVAILABLE);
	a = sock_listen_unix(path, 0600, &msg);
	CHECK(a >= 0);
	close(a);
	unlink(path);
	snprintf(file, sizeof(file), "%s/f", folder);
	CHECK_INT(file_write(file, SLICE("x"), 0600, FILE_VOLATILE, NULL), 0);
	CHECK_INT(sock_listen_unix(file, 0600, &msg), ERR_EXISTS);
	unlink(file);
	rmdir(folder);
	CHECK_INT(sock_listen_unix(file, 0600, NULL), ERR_NOT_FOUND);
}

TEST(a_path_that_is_too_long)
{
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CHECK_INT(sock_listen_unix(path, 0600, NULL), ERR_LIMIT);
	CHECK_INT(sock_connect_unix(path, NULL), ERR_LIMIT);
}

TEST(a_port_taken_free_and_refused)
{
	struct errmsg msg = { { 0 } };
	uint16_t port = 40000;
	int a = -1, c, d = ERR_MORE;

	while (a < 0 && port < 45000)
		a = sock_listen_tcp(0x7f000001, ++port, &msg);
	CHECK(a >= 0);
	CHECK_INT(sock_listen_tcp(0x7f000001, port, &msg), ERR_IN_USE);
	CHECK_STR(msg.text, "address already in use");
	CHECK_INT(sock_listen_tcp(0x08080808, port, &msg), ERR_INVALID);
	CHECK_INT(sock_accept(a), ERR_MORE);
	c = sock_connect_tcp(0x7f000001, port, &msg);
	CHECK(c >= 0);
	while (d == ERR_MORE)
		d = sock_accept(a);
	CHECK(d >= 0);
	CHECK_INT(sock_connected(c, &msg), 0);
	close(c);
	close(d);
	close(a);
	CHECK_INT(sock_accept(a), ERR_IO);
}
