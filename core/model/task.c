/* The tables of task.h. */
#include "model/task.h"
#include "model_private.h"

const char *const task_state_names[] = {
	"new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running",
	"complete", "shutdown", "failed", "rejected", "remove", "orphaned", NULL,
};

static const struct field container_status_fields[] = {
	ROW(container_status, container_id, "ContainerID", FIELD_STRING, OMIT),
	ROW(container_status, pid, "PID", FIELD_I64, 0),
	ROW(container_status, exit_code, "ExitCode", FIELD_I64, 0),
	{ 0 },
};
static const struct table container_status_table = {
	"ContainerStatus", sizeof(struct container_status), TABLE_NO_EXTRA,
	container_status_fields,
};

static const struct field port_status_fields[] = {
	ROW_TABLE(port_status, ports, "Ports", FIELD_LIST, OMIT, &port_config_table),
	{ 0 },
};
static const struct table port_status_table = {
	"PortStatus", sizeof(struct port_status), TABLE_NO_EXTRA, port_status_fields,
};

static const struct field task_status_fields[] = {
	ROW(task_status, timestamp, "Timestamp", FIELD_TIME, 0),
	ROW_ENUM(task_status, state, "State", task_state_names, 0),
	ROW(task_status, message, "Message", FIELD_STRING, OMIT),
	ROW(task_status, err, "Err", FIELD_STRING, OMIT),
	ROW_TABLE(task_status, container_status, "ContainerStatus", FIELD_POINTER, OMIT,
		  &container_status_table),
	ROW_TABLE(task_status, port_status, "PortStatus", FIELD_STRUCT, 0, &port_status_table),
	{ 0 },
};
const struct table task_status_table = {
	"TaskStatus", sizeof(struct task_status), TABLE_NO_EXTRA, task_status_fields,
};

static const struct field attached_spec_fields[] = {
	ROW(attached_network_spec, name, "Name", FIELD_STRING, OMIT),
	ROW(attached_network_spec, labels, "Labels", FIELD_LABELS, 0),
	{ 0 },
};
static const struct table attached_spec_table = {
	"NetworkSpec", sizeof(struct attached_network_spec), TABLE_NO_EXTRA, attached_spec_fields,
};

static const struct field attached_fields[] = {
	ROW(attached_network, id, "ID", FIELD_STRING, 0),
	ROW_TABLE(attached_network, spec, "Spec", FIELD_STRUCT, 0, &attached_spec_table),
	{ 0 },
};
static const struct table attached_table = {
	"Network", sizeof(struct attached_network), TABLE_NO_EXTRA, attached_fields,
};

static const struct field attachment_fields[] = {
	ROW_TABLE(network_attachment, network, "Network", FIELD_STRUCT, 0, &attached_table),
	ROW(network_attachment, addresses, "Addresses", FIELD_STRINGS, OMIT),
	ROW(network_attachment, aliases, "Aliases", FIELD_STRINGS, OMIT | FIELD_INTERNAL),
	{ 0 },
};
static const struct table attachment_table = {
	"NetworkAttachment", sizeof(struct network_attachment), TABLE_NO_EXTRA, attachment_fields,
};

static const struct field task_fields[] = {
	ROW_TABLE(task, meta, NULL, FIELD_FLAT, 0, &meta_table),
	ROW(task, labels, "Labels", FIELD_LABELS, 0),
	ROW_TABLE(task, spec, "Spec", FIELD_STRUCT, 0, &task_spec_table),
	ROW(task, service_id, "ServiceID", FIELD_STRING, OMIT),
	ROW(task, slot, "Slot", FIELD_U64, OMIT),
	ROW(task, node_id, "NodeID", FIELD_STRING, OMIT),
	ROW_TABLE(task, status, "Status", FIELD_STRUCT, 0, &task_status_table),
	ROW_ENUM(task, desired_state, "DesiredState", task_state_names, 0),
	ROW_TABLE(task, networks_attachments, "NetworksAttachments", FIELD_LIST, OMIT,
		  &attachment_table),
	ROW(task, spec_version, "SpecVersion", FIELD_U64, OMIT | FIELD_INTERNAL),
	ROW(task, service_name, "ServiceName", FIELD_STRING, OMIT | FIELD_INTERNAL),
	ROW_TABLE(task, ports, "Ports", FIELD_LIST, OMIT | FIELD_INTERNAL, &port_config_table),
	ROW(task, start_after, "StartAfter", FIELD_TIME, OMIT | FIELD_INTERNAL),
	ROW(task, running_at, "RunningAt", FIELD_TIME, OMIT | FIELD_INTERNAL),
	{ 0 },
};
const struct table task_table = { "Task", sizeof(struct task), TABLE_NO_EXTRA, task_fields };

int task_is_active(const struct task *t)
{
	return t->desired_state <= TASK_COMPLETE;
}

int task_is_dead(const struct task *t)
{
	return t->status.state > TASK_RUNNING;
}

const char *task_name(struct arena *a, const struct task *t)
{
	const char *service = t->service_name ? t->service_name : "";

	if (t->slot == 0)
		return arena_printf(a, "%s.%s.%s", service, t->node_id ? t->node_id : "",
				    t->meta.id);
	return arena_printf(a, "%s.%llu.%s", service, (unsigned long long)t->slot, t->meta.id);
}
