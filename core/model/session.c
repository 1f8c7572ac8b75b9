/* The tables of session.h. */
#include "model/session.h"

#define F(type, member, json, kind_, flags_, table_)                                       \
	{ .name = (json), .kind = (kind_), .flags = (flags_),                              \
	  .offset = offsetof(struct type, member), .table = (table_) }
#define OMIT FIELD_OMIT_EMPTY

static const struct field assign_fields[] = {
	F(session_assign, complete, "Complete", FIELD_BOOL, OMIT, NULL),
	F(session_assign, applies_to, "AppliesTo", FIELD_U64, OMIT, NULL),
	F(session_assign, results_in, "ResultsIn", FIELD_U64, OMIT, NULL),
	F(session_assign, tasks, "Tasks", FIELD_LIST, OMIT, &task_table),
	F(session_assign, removed, "Removed", FIELD_STRINGS, OMIT, NULL),
	F(session_assign, networks, "Networks", FIELD_LIST, OMIT, &network_table),
	F(session_assign, networks_removed, "NetworksRemoved", FIELD_STRINGS, OMIT, NULL),
	F(session_assign, netmap, "Netmap", FIELD_RAW, OMIT, NULL),
	{ 0 },
};
static const struct table assign_table = {
	"SessionAssign", sizeof(struct session_assign), TABLE_NO_EXTRA, assign_fields,
};

static const struct field logs_fields[] = {
	F(session_logs, id, "ID", FIELD_U64, 0, NULL),
	F(session_logs, task_id, "TaskID", FIELD_STRING, OMIT, NULL),
	F(session_logs, cancel, "Cancel", FIELD_BOOL, OMIT, NULL),
	F(session_logs, stdout_too, "Stdout", FIELD_BOOL, OMIT, NULL),
	F(session_logs, stderr_too, "Stderr", FIELD_BOOL, OMIT, NULL),
	F(session_logs, follow, "Follow", FIELD_BOOL, OMIT, NULL),
	F(session_logs, since, "Since", FIELD_STRING, OMIT, NULL),
	F(session_logs, tail, "Tail", FIELD_STRING, OMIT, NULL),
	{ 0 },
};
static const struct table logs_table = {
	"SessionLogs", sizeof(struct session_logs), TABLE_NO_EXTRA, logs_fields,
};

static const struct field order_fields[] = {
	F(session_order, assign, "Assign", FIELD_POINTER, OMIT, &assign_table),
	F(session_order, logs, "Logs", FIELD_POINTER, OMIT, &logs_table),
	F(session_order, leave, "Leave", FIELD_BOOL, OMIT, NULL),
	{ 0 },
};
const struct table session_order_table = {
	"SessionOrder", sizeof(struct session_order), TABLE_NO_EXTRA, order_fields,
};

static const struct field status_fields[] = {
	F(session_status, task_id, "TaskID", FIELD_STRING, 0, NULL),
	F(session_status, status, "Status", FIELD_STRUCT, 0, &task_status_table),
	{ 0 },
};
static const struct table status_table = {
	"SessionStatus", sizeof(struct session_status), TABLE_NO_EXTRA, status_fields,
};

static const struct field log_fields[] = {
	F(session_log, id, "ID", FIELD_U64, 0, NULL),
	F(session_log, stream, "Stream", FIELD_STRING, OMIT, NULL),
	F(session_log, data, "Data", FIELD_STRING, OMIT, NULL),
	F(session_log, end, "End", FIELD_BOOL, OMIT, NULL),
	F(session_log, err, "Err", FIELD_STRING, OMIT, NULL),
	{ 0 },
};
static const struct table log_table = {
	"SessionLog", sizeof(struct session_log), TABLE_NO_EXTRA, log_fields,
};

/* NodeMessage is written when empty: "" says that the engine answers, absent says nothing. */
static const struct field report_fields[] = {
	F(session_report, statuses, "Statuses", FIELD_LIST, OMIT, &status_table),
	F(session_report, description, "Description", FIELD_POINTER, OMIT, &node_description_table),
	F(session_report, node_message, "NodeMessage", FIELD_STRING, 0, NULL),
	F(session_report, log, "Log", FIELD_POINTER, OMIT, &log_table),
	F(session_report, resync, "Resync", FIELD_BOOL, OMIT, NULL),
	F(session_report, left, "Left", FIELD_BOOL, OMIT, NULL),
	{ 0 },
};
const struct table session_report_table = {
	"SessionReport", sizeof(struct session_report), TABLE_NO_EXTRA, report_fields,
};
