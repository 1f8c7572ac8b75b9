/* marks.h - what is counted over all seeds, and what may go wrong in one. Pure. */
#ifndef SB_SIM_MARKS_H
#define SB_SIM_MARKS_H

/* Each class must have come up, or the run proves little. */
#define SIM_MARKS(X) \
	/* the process */ \
	X(MARK_CRASH, "crash") \
	X(MARK_MID_STEP, "crash between two effects, as of a failed allocation") \
	X(MARK_MID_DISK, "crash between two operations of the disk") \
	X(MARK_POWER, "power cut") \
	X(MARK_ALL_DOWN, "power cut of all managers") \
	X(MARK_REBOOT, "reboot") \
	X(MARK_STOP, "stop in good order") \
	X(MARK_PAUSE, "process stopped and continued") \
	X(MARK_CLOCK_BACK, "clock set back") \
	X(MARK_CLOCK_ON, "clock set forward") \
	X(MARK_DRIFT, "clocks of different speed") \
	/* the network */ \
	X(MARK_LOSS, "message lost") \
	X(MARK_DOUBLED, "message doubled") \
	X(MARK_LATE_MESSAGE, "message late or out of order") \
	X(MARK_RESET, "connection reset") \
	X(MARK_CUT_ONE, "one manager cut off") \
	X(MARK_CUT_LEADER, "leader cut off") \
	X(MARK_CUT_HALF, "split in two") \
	X(MARK_CUT_ONE_WAY, "cut one way") \
	X(MARK_CUT_PARTIAL, "two managers cut off from each other only") \
	/* the disk */ \
	X(MARK_LOST_SECTOR, "unsynced sectors lost") \
	X(MARK_KEPT_SECTOR, "unsynced sectors kept") \
	X(MARK_REORDERED, "sectors written out of order") \
	X(MARK_TORN, "write torn") \
	X(MARK_TAIL_CUT, "torn end of the log cut") \
	X(MARK_WRITE_FAILED, "write failed") \
	X(MARK_SYNC_FAILED, "sync failed") \
	X(MARK_DISK_FULL, "disk full") \
	X(MARK_DISK_BACK, "manager back after its disk failed") \
	X(MARK_DISK_SLOW, "sync stalls") \
	X(MARK_ROT, "bit rot") \
	X(MARK_MISDIRECTED, "sector written to another's place") \
	X(MARK_MISDIRECTED_FOUND, "and found") \
	X(MARK_ROT_LOG, "rot of the log found") \
	X(MARK_ROT_LAST, "rot of the last record told from a torn one") \
	X(MARK_ROT_SNAPSHOT, "rot of a snapshot found") \
	X(MARK_ROT_REFUSED, "rot on a manager alone refused") \
	X(MARK_LOST_FOLDER, "data folder lost") \
	X(MARK_REPAIRED, "damaged or lost manager votes again") \
	/* the log */ \
	X(MARK_ELECTION, "leader elected") \
	X(MARK_TRUNCATED, "log overwritten at its end") \
	X(MARK_SNAPSHOT, "snapshot saved") \
	X(MARK_SNAPSHOT_FAILED, "snapshot failed") \
	X(MARK_SNAPSHOT_LOST, "crash while a snapshot is saved") \
	X(MARK_SNAPSHOT_LOADED, "snapshot recovered") \
	X(MARK_INSTALLED, "snapshot installed from the leader") \
	X(MARK_INSTALL_BROKEN, "installation broken off") \
	X(MARK_JOIN, "manager joined") \
	X(MARK_GONE, "manager left or removed") \
	X(MARK_MEMBER_FAULT, "membership changed while something is broken") \
	X(MARK_FORCED, "swarm of one made from a lost quorum") \
	/* users of the store */ \
	X(MARK_PUT, "value put") \
	X(MARK_CAS, "value compared and set") \
	X(MARK_CAS_REFUSED, "value not set: it is another") \
	X(MARK_DELETED, "value deleted") \
	X(MARK_GOT, "value read") \
	X(MARK_FORWARDED, "value read or put through a follower") \
	X(MARK_STALE, "value read from a follower's state") \
	X(MARK_STALE_OLD, "stale read that was old") \
	X(MARK_WAITED, "blocking read woken") \
	X(MARK_READ_HELD, "read asked of a leader that is none any more") \
	X(MARK_TWICE, "request asked again, applied once") \
	/* engines and services */ \
	X(MARK_ERROR, "engine error") \
	X(MARK_ERROR_DONE, "engine error for what was done") \
	X(MARK_HANG, "engine call without an answer") \
	X(MARK_LATE, "call carried out after a crash") \
	X(MARK_AWAY, "engine absent") \
	X(MARK_LIVE, "engine restart, containers live") \
	X(MARK_COLD, "engine restart, containers end") \
	X(MARK_PULL_FAILED, "pull failed") \
	X(MARK_DEATH, "container died") \
	X(MARK_UNHEALTHY, "container unhealthy") \
	X(MARK_BY_HAND, "container removed by hand") \
	X(MARK_ADOPTED, "container adopted") \
	X(MARK_SESSION, "session cut") \
	X(MARK_DRAIN, "node drained") \
	X(MARK_LOCKED, "data folder sealed with an unlock key") \
	X(MARK_OPENED, "and with none again") \
	X(MARK_CREATED, "service created") \
	X(MARK_UPDATED, "service updated") \
	X(MARK_REMOVED, "service removed") \
	X(MARK_NETWORK, "network removed") \
	X(MARK_REFUSED, "request refused") \
	X(MARK_UNKNOWN, "request lost in a crash") \
	X(MARK_PAUSED, "update paused") \
	X(MARK_ROLLED_BACK, "update rolled back") \
	X(MARK_LOGS, "log read") \
	X(MARK_LEFT, "swarm left")

enum mark {
#define X(name, text) name,
	SIM_MARKS(X)
#undef X
	MARKS
};

/* What may go wrong in one run, and how much: each is off for a third of the seeds. */
#define SIM_OPTIONS(X) \
	X(OPT_CRASH, "crash", 20)		/* per effect, in 10000 */ \
	X(OPT_DISK_DIES, "disk-crash", 40)	/* per operation of the disk, in 10000 */ \
	X(OPT_POWER, "power", 10)		/* of those crashes, in 10 */ \
	X(OPT_WRITE_FAIL, "write-fail", 15)	/* per write, in 10000 */ \
	X(OPT_SYNC_FAIL, "sync-fail", 30)	/* per sync, in 10000 */ \
	X(OPT_DISK_SLOW, "sync-stall", 200)	/* per sync, in 10000 */ \
	X(OPT_DISK_MS, "sync-ms", 20)		/* of a sync: up to so many ms */ \
	X(OPT_LOSS, "loss", 1000)		/* per message, in 10000 */ \
	X(OPT_DOUBLE, "double", 500)		/* per message, in 10000 */ \
	X(OPT_LATE, "late", 500)		/* per message, in 10000 */ \
	X(OPT_NET_MS, "net-ms", 10)		/* of a message: up to so many ms */ \
	/* weights of what comes by the clock */ \
	X(OPT_CUT, "cut", 10) \
	X(OPT_RESET, "reset", 6) \
	X(OPT_PAUSE, "pause", 6) \
	X(OPT_KILL, "kill", 6) \
	X(OPT_ALL_DOWN, "all-down", 2) \
	X(OPT_FULL, "disk-full", 3) \
	X(OPT_ROT, "rot", 4) \
	X(OPT_MISDIRECT, "misdirect", 4) \
	X(OPT_LOSE, "lose-folder", 3) \
	X(OPT_MEMBERS, "members", 6) \
	X(OPT_STOP, "stop", 4) \
	X(OPT_CLOCK, "clock-step", 3) \
	X(OPT_DRIFT, "drift", 50000)		/* of a clock: up to so many ppm */ \
	/* engines */ \
	X(OPT_ERROR, "engine-error", 500)	/* per call, in 10000 */ \
	X(OPT_HANG, "engine-hang", 200)		/* per call, in 10000 */ \
	X(OPT_AWAY, "engine-away", 6)		/* per simulated minute, in 10 */ \
	X(OPT_COLD, "engine-cold", 10)		/* of those restarts that end containers, in 10 */ \
	X(OPT_PULL, "pull-fail", 4000)		/* per pull, in 10000 */ \
	X(OPT_DEATH, "death", 5000)		/* per container, in 10000 */ \
	X(OPT_UNHEALTHY, "unhealthy", 5000)	/* per container with a check, in 10000 */ \
	X(OPT_BY_HAND, "by-hand", 6)		/* per simulated minute, in 10 */ \
	X(OPT_SESSION, "session-cut", 10)	/* per simulated minute, in 10 */ \
	X(OPT_DELAY, "session-delay", 50)	/* of a session's message: up to so many ms */

enum option {
#define X(name, text, max) name,
	SIM_OPTIONS(X)
#undef X
	OPTIONS
};
#endif
