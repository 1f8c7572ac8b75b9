/* main.h - the node's daemon: manager and worker in one process, their driver, lb. I/O. */
#ifndef SB_APPLETS_MANAGER_MAIN_H
#define SB_APPLETS_MANAGER_MAIN_H
#include "applets/manager/manager.h"
#include "base/id.h"
#include "io/file.h"

struct daemon_config {
	char data_dir[FILE_PATH_MAX];
	char run_dir[FILE_PATH_MAX];
	char engine_path[FILE_PATH_MAX];	/* the engine's socket */
	char api_path[FILE_PATH_MAX];		/* our own */
	int ready_fd;		/* gets "ready\n" or one line of error; -1 = none */
	int create;		/* a new swarm: the data folder must hold none, node is written */
	struct manager_config node;	/* create: in; else filled from the data folder */
};

/* Runs the node until it is stopped. Returns the exit status; errors are logged and told to
 * ready_fd. config lives as long. */
int daemon_run(struct daemon_config *config);

/* 1 if the data folder holds a node of a swarm. */
int daemon_node_exists(const char *data_dir);

int init_main(int argc, char **argv);
int manager_main(int argc, char **argv);
#endif
