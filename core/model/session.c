/* The tables of session.h. */
#include "model/session.h"
#include "model_private.h"

static const struct field assign_fields[] = {
	ROW(session_assign, complete, "Complete", FIELD_BOOL, OMIT),
	ROW(session_assign, applies_to, "AppliesTo", FIELD_U64, OMIT),
	ROW(session_assign, results_in, "ResultsIn", FIELD_U64, OMIT),
	ROW_TABLE(session_assign, tasks, "Tasks", FIELD_LIST, OMIT, &task_table),
	ROW(session_assign, removed, "Removed", FIELD_STRINGS, OMIT),
	ROW_TABLE(session_assign, networks, "Networks", FIELD_LIST, OMIT, &network_table),
	ROW(session_assign, networks_removed, "NetworksRemoved", FIELD_STRINGS, OMIT),
	ROW(session_assign, netmap, "Netmap", FIELD_RAW, OMIT),
	{ 0 },
};
static const struct table assign_table = {
	"SessionAssign", sizeof(struct session_assign), TABLE_NO_EXTRA, assign_fields,
};

static const struct field logs_fields[] = {
	ROW(session_logs, id, "ID", FIELD_U64, 0),
	ROW(session_logs, task_id, "TaskID", FIELD_STRING, OMIT),
	ROW(session_logs, cancel, "Cancel", FIELD_BOOL, OMIT),
	ROW(session_logs, stdout_too, "Stdout", FIELD_BOOL, OMIT),
	ROW(session_logs, stderr_too, "Stderr", FIELD_BOOL, OMIT),
	ROW(session_logs, follow, "Follow", FIELD_BOOL, OMIT),
	ROW(session_logs, since, "Since", FIELD_STRING, OMIT),
	ROW(session_logs, tail, "Tail", FIELD_STRING, OMIT),
	{ 0 },
};
static const struct table logs_table = {
	"SessionLogs", sizeof(struct session_logs), TABLE_NO_EXTRA, logs_fields,
};

static const struct field node_fields[] = {
	ROW_ENUM(session_node, role, "Role", role_names, 0),
	ROW(session_node, managers, "Managers", FIELD_STRINGS, OMIT),
	ROW(session_node, trust, "Trust", FIELD_STRING, OMIT),
	ROW(session_node, renew, "Renew", FIELD_BOOL, OMIT),
	{ 0 },
};
const struct table session_node_table = {
	"SessionNode", sizeof(struct session_node), TABLE_NO_EXTRA, node_fields,
};

static const struct field order_fields[] = {
	ROW_TABLE(session_order, assign, "Assign", FIELD_POINTER, OMIT, &assign_table),
	ROW_TABLE(session_order, node, "Node", FIELD_POINTER, OMIT, &session_node_table),
	ROW_TABLE(session_order, logs, "Logs", FIELD_POINTER, OMIT, &logs_table),
	ROW(session_order, leave, "Leave", FIELD_BOOL, OMIT),
	{ 0 },
};
const struct table session_order_table = {
	"SessionOrder", sizeof(struct session_order), TABLE_NO_EXTRA, order_fields,
};

static const struct field status_fields[] = {
	ROW(session_status, task_id, "TaskID", FIELD_STRING, 0),
	ROW_TABLE(session_status, status, "Status", FIELD_STRUCT, 0, &task_status_table),
	{ 0 },
};
static const struct table status_table = {
	"SessionStatus", sizeof(struct session_status), TABLE_NO_EXTRA, status_fields,
};

static const struct field log_fields[] = {
	ROW(session_log, id, "ID", FIELD_U64, 0),
	ROW(session_log, stream, "Stream", FIELD_STRING, OMIT),
	ROW(session_log, data, "Data", FIELD_STRING, OMIT),
	ROW(session_log, end, "End", FIELD_BOOL, OMIT),
	ROW(session_log, err, "Err", FIELD_STRING, OMIT),
	{ 0 },
};
static const struct table log_table = {
	"SessionLog", sizeof(struct session_log), TABLE_NO_EXTRA, log_fields,
};

/* NodeMessage is written when empty: "" says that the engine answers, absent says nothing. */
static const struct field report_fields[] = {
	ROW_TABLE(session_report, statuses, "Statuses", FIELD_LIST, OMIT, &status_table),
	ROW_TABLE(session_report, description, "Description", FIELD_POINTER, OMIT,
		  &node_description_table),
	ROW(session_report, addr, "Addr", FIELD_STRING, OMIT),
	ROW(session_report, node_message, "NodeMessage", FIELD_STRING, 0),
	ROW_TABLE(session_report, log, "Log", FIELD_POINTER, OMIT, &log_table),
	ROW(session_report, resync, "Resync", FIELD_BOOL, OMIT),
	ROW(session_report, left, "Left", FIELD_BOOL, OMIT),
	{ 0 },
};
const struct table session_report_table = {
	"SessionReport", sizeof(struct session_report), TABLE_NO_EXTRA, report_fields,
};
