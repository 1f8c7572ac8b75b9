/* main.h - the node's daemon: manager and worker in one process, their driver, lb. I/O. */
#ifndef SB_APPLETS_MANAGER_MAIN_H
#define SB_APPLETS_MANAGER_MAIN_H
#include "applets/manager/manager.h"
#include "base/id.h"
#include "crypt/token.h"
#include "io/file.h"

struct daemon_config {
	char data_dir[FILE_PATH_MAX];
	char run_dir[FILE_PATH_MAX];
	char engine_path[FILE_PATH_MAX];	/* the engine's socket */
	char api_path[FILE_PATH_MAX];		/* our own */
	/* "127.0.0.1:2375": the API is answered there as well; "" = not. A loopback address. */
	char api_tcp[24];
	/* Gets "ready ROLE\n", "locked\n" (the node waits for its unlock key) or one line of error;
	 * -1 = none. */
	int ready_fd;
	/* init and join: the data folder must hold no node, this one is written (it is a founder
	 * when node.begin is RAFT_FOUND) and wiped again when it cannot be started. */
	int create;
	/* create, with node.begin RAFT_JOIN: at the manager node.contacts. token: wiped once it is
	 * used; one that is too long is cut, but still too long. availability: NULL or a word. */
	char token[TOKEN_TEXT_LEN + 2];
	const char *availability;
	/* create: in, "" or what the new swarm's managers lock with. Then what the data folder is
	 * sealed with; to be wiped. */
	char unlock_key[UNLOCK_TEXT_LEN + 1];
	/* create: in. Else filled from the data folder (main_node.h), but node.begin is in:
	 * RAFT_JOIN, or RAFT_FORCE for this start. */
	struct manager_config node;
};

/* Runs the node until it is stopped. Returns the exit status; errors are logged and told to
 * ready_fd. config lives as long. */
int daemon_run(struct daemon_config *config);

/* No other process of the same user sees this one's memory, and no core file keeps it: before any
 * key is read. */
void daemon_hide(void);

/* 1 if the data folder holds a node of a swarm. */
int daemon_node_exists(const char *data_dir);

int init_main(int argc, char **argv);
int join_main(int argc, char **argv);
int manager_main(int argc, char **argv);
int worker_main(int argc, char **argv);
#endif
