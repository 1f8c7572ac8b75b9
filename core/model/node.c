/* The tables of node.h: nodes, the cluster, networks. */
#include "model/node.h"
#include "model_private.h"

const char *const role_names[] = { "worker", "manager", NULL };
static const char *const availability_names[] = { "active", "pause", "drain", NULL };
static const char *const node_state_names[] = { "unknown", "down", "ready", "disconnected", NULL };

int availability_parse(struct slice text, int *availability)
{
	for (int i = 0; availability_names[i]; i++) {
		if (!slice_is(text, availability_names[i]))
			continue;
		*availability = i;
		return 0;
	}
	return ERR_INVALID;
}

static const struct field node_spec_fields[] = {
	ROW(node_spec, name, "Name", FIELD_STRING, OMIT),
	ROW(node_spec, labels, "Labels", FIELD_LABELS, 0),
	ROW_ENUM(node_spec, role, "Role", role_names, 0),
	ROW_ENUM(node_spec, availability, "Availability", availability_names, 0),
	{ 0 },
};
const struct table node_spec_table = {
	"NodeSpec", sizeof(struct node_spec), offsetof(struct node_spec, extra), node_spec_fields,
};

static const struct field resources_fields[] = {
	ROW(node_resources, nano_cpus, "NanoCPUs", FIELD_I64, OMIT),
	ROW(node_resources, memory_bytes, "MemoryBytes", FIELD_I64, OMIT),
	{ 0 },
};
static const struct table node_resources_table = {
	"Resources", sizeof(struct node_resources), TABLE_NO_EXTRA, resources_fields,
};

static const struct field engine_fields[] = {
	ROW(engine_description, engine_version, "EngineVersion", FIELD_STRING, OMIT),
	ROW(engine_description, labels, "Labels", FIELD_LABELS, OMIT),
	ROW(engine_description, plugins, "Plugins", FIELD_RAW, OMIT),
	{ 0 },
};
static const struct table engine_table = {
	"Engine", sizeof(struct engine_description), TABLE_NO_EXTRA, engine_fields,
};

static const struct field tls_info_fields[] = {
	ROW(tls_info, trust_root, "TrustRoot", FIELD_STRING, OMIT),
	ROW(tls_info, cert_issuer_subject, "CertIssuerSubject", FIELD_STRING, OMIT),
	ROW(tls_info, cert_issuer_public_key, "CertIssuerPublicKey", FIELD_STRING, OMIT),
	{ 0 },
};
const struct table tls_info_table = {
	"TLSInfo", sizeof(struct tls_info), TABLE_NO_EXTRA, tls_info_fields,
};

static const struct field description_fields[] = {
	ROW(node_description, hostname, "Hostname", FIELD_STRING, OMIT),
	ROW_TABLE(node_description, platform, "Platform", FIELD_STRUCT, 0, &platform_table),
	ROW_TABLE(node_description, resources, "Resources", FIELD_STRUCT, 0,
		  &node_resources_table),
	ROW_TABLE(node_description, engine, "Engine", FIELD_STRUCT, 0, &engine_table),
	ROW_TABLE(node_description, tls_info, "TLSInfo", FIELD_STRUCT, OMIT, &tls_info_table),
	{ 0 },
};
const struct table node_description_table = {
	"NodeDescription", sizeof(struct node_description),
	offsetof(struct node_description, extra), description_fields,
};

static const struct field status_fields[] = {
	ROW_ENUM(node_status, state, "State", node_state_names, 0),
	ROW(node_status, message, "Message", FIELD_STRING, OMIT),
	ROW(node_status, addr, "Addr", FIELD_STRING, OMIT),
	{ 0 },
};
static const struct table node_status_table = {
	"NodeStatus", sizeof(struct node_status), TABLE_NO_EXTRA, status_fields,
};

static const struct field manager_fields[] = {
	ROW(manager_status, leader, "Leader", FIELD_BOOL, OMIT),
	ROW(manager_status, reachability, "Reachability", FIELD_STRING, OMIT),
	ROW(manager_status, addr, "Addr", FIELD_STRING, OMIT),
	{ 0 },
};
static const struct table manager_status_table = {
	"ManagerStatus", sizeof(struct manager_status), TABLE_NO_EXTRA, manager_fields,
};

static const struct field node_fields[] = {
	ROW_TABLE(node, meta, NULL, FIELD_FLAT, 0, &meta_table),
	ROW_TABLE(node, spec, "Spec", FIELD_STRUCT, 0, &node_spec_table),
	ROW_TABLE(node, description, "Description", FIELD_STRUCT, 0, &node_description_table),
	ROW_TABLE(node, status, "Status", FIELD_STRUCT, 0, &node_status_table),
	ROW_TABLE(node, manager_status, "ManagerStatus", FIELD_POINTER, OMIT,
		  &manager_status_table),
	ROW(node, join_key, "JoinKey", FIELD_STRING, OMIT | FIELD_INTERNAL),
	{ 0 },
};
const struct table node_table = { "Node", sizeof(struct node), TABLE_NO_EXTRA, node_fields };

static const struct field orchestration_fields[] = {
	ROW(orchestration_config, task_history_retention_limit, "TaskHistoryRetentionLimit",
	    FIELD_I64, OMIT),
	{ 0 },
};
static const struct table orchestration_table = {
	"Orchestration", sizeof(struct orchestration_config), TABLE_NO_EXTRA, orchestration_fields,
};

static const struct field raft_fields[] = {
	ROW(raft_settings, snapshot_interval, "SnapshotInterval", FIELD_U64, OMIT),
	ROW(raft_settings, keep_old_snapshots, "KeepOldSnapshots", FIELD_U64_OPT, OMIT),
	ROW(raft_settings, log_entries_for_slow_followers, "LogEntriesForSlowFollowers",
	    FIELD_U64, OMIT),
	ROW(raft_settings, election_tick, "ElectionTick", FIELD_I64, 0),
	ROW(raft_settings, heartbeat_tick, "HeartbeatTick", FIELD_I64, 0),
	{ 0 },
};
static const struct table raft_table = {
	"Raft", sizeof(struct raft_settings), TABLE_NO_EXTRA, raft_fields,
};

static const struct field dispatcher_fields[] = {
	ROW(dispatcher_config, heartbeat_period, "HeartbeatPeriod", FIELD_I64, OMIT),
	{ 0 },
};
static const struct table dispatcher_table = {
	"Dispatcher", sizeof(struct dispatcher_config), TABLE_NO_EXTRA, dispatcher_fields,
};

static const struct field ca_config_fields[] = {
	ROW(ca_config, node_cert_expiry, "NodeCertExpiry", FIELD_I64, OMIT),
	ROW(ca_config, force_rotate, "ForceRotate", FIELD_U64, OMIT),
	{ 0 },
};
static const struct table ca_config_table = {
	"CAConfig", sizeof(struct ca_config), offsetof(struct ca_config, extra), ca_config_fields,
};

static const struct field encryption_fields[] = {
	ROW(encryption_config, auto_lock_managers, "AutoLockManagers", FIELD_BOOL, 0),
	{ 0 },
};
static const struct table encryption_table = {
	"EncryptionConfig", sizeof(struct encryption_config), TABLE_NO_EXTRA, encryption_fields,
};

static const struct field cluster_spec_fields[] = {
	ROW(cluster_spec, name, "Name", FIELD_STRING, OMIT),
	ROW(cluster_spec, labels, "Labels", FIELD_LABELS, 0),
	ROW_TABLE(cluster_spec, orchestration, "Orchestration", FIELD_STRUCT, 0,
		  &orchestration_table),
	ROW_TABLE(cluster_spec, raft, "Raft", FIELD_STRUCT, 0, &raft_table),
	ROW_TABLE(cluster_spec, dispatcher, "Dispatcher", FIELD_STRUCT, 0, &dispatcher_table),
	ROW_TABLE(cluster_spec, ca, "CAConfig", FIELD_STRUCT, 0, &ca_config_table),
	ROW(cluster_spec, task_defaults, "TaskDefaults", FIELD_RAW, OMIT),
	ROW_TABLE(cluster_spec, encryption, "EncryptionConfig", FIELD_STRUCT, 0,
		  &encryption_table),
	{ 0 },
};
const struct table cluster_spec_table = {
	"ClusterSpec", sizeof(struct cluster_spec), offsetof(struct cluster_spec, extra),
	cluster_spec_fields,
};

static const struct field removed_fields[] = {
	ROW(removed_node, id, "ID", FIELD_STRING, 0),
	ROW(removed_node, until, "Until", FIELD_TIME, 0),
	{ 0 },
};
static const struct table removed_table = {
	"Removed", sizeof(struct removed_node), TABLE_NO_EXTRA, removed_fields,
};

static const struct field rotation_fields[] = {
	ROW(root_rotation, next_cert, "NextCert", FIELD_STRING, OMIT),
	ROW(root_rotation, next_key, "NextKey", FIELD_STRING, OMIT),
	ROW(root_rotation, cross_signed, "CrossSigned", FIELD_STRING, OMIT),
	{ 0 },
};
static const struct table rotation_table = {
	"RootRotation", sizeof(struct root_rotation), TABLE_NO_EXTRA, rotation_fields,
};

static const struct field cluster_fields[] = {
	ROW_TABLE(cluster, meta, NULL, FIELD_FLAT, 0, &meta_table),
	ROW_TABLE(cluster, spec, "Spec", FIELD_STRUCT, 0, &cluster_spec_table),
	ROW(cluster, default_addr_pool, "DefaultAddrPool", FIELD_STRINGS, OMIT),
	ROW(cluster, subnet_size, "SubnetSize", FIELD_U64, OMIT),
	ROW(cluster, root_cert, "RootCert", FIELD_STRING, OMIT | FIELD_INTERNAL),
	ROW(cluster, root_key, "RootKey", FIELD_STRING, OMIT | FIELD_INTERNAL),
	ROW_TABLE(cluster, rotation, "RootRotation", FIELD_POINTER, OMIT | FIELD_INTERNAL,
		  &rotation_table),
	ROW(cluster, worker_token, "WorkerToken", FIELD_STRING, OMIT | FIELD_INTERNAL),
	ROW(cluster, manager_token, "ManagerToken", FIELD_STRING, OMIT | FIELD_INTERNAL),
	ROW(cluster, unlock_key, "UnlockKey", FIELD_STRING, OMIT | FIELD_INTERNAL),
	ROW_TABLE(cluster, removed, "Removed", FIELD_LIST, OMIT | FIELD_INTERNAL, &removed_table),
	{ 0 },
};
const struct table cluster_table = {
	"Cluster", sizeof(struct cluster), TABLE_NO_EXTRA, cluster_fields,
};

static const struct field ipam_config_fields[] = {
	ROW(ipam_config, subnet, "Subnet", FIELD_STRING, OMIT),
	ROW(ipam_config, ip_range, "IPRange", FIELD_STRING, OMIT),
	ROW(ipam_config, gateway, "Gateway", FIELD_STRING, OMIT),
	ROW(ipam_config, auxiliary_addresses, "AuxiliaryAddresses", FIELD_LABELS, OMIT),
	{ 0 },
};
static const struct table ipam_config_table = {
	"IPAMConfig", sizeof(struct ipam_config), TABLE_NO_EXTRA, ipam_config_fields,
};

static const struct field ipam_fields[] = {
	ROW(ipam, driver, "Driver", FIELD_STRING, OMIT),
	ROW(ipam, options, "Options", FIELD_LABELS, OMIT),
	ROW_TABLE(ipam, config, "Config", FIELD_LIST, OMIT, &ipam_config_table),
	{ 0 },
};
static const struct table ipam_table = {
	"IPAM", sizeof(struct ipam), TABLE_NO_EXTRA, ipam_fields,
};

static const struct field network_spec_fields[] = {
	ROW(network_spec, name, "Name", FIELD_STRING, 0),
	ROW(network_spec, driver, "Driver", FIELD_STRING, OMIT),
	ROW(network_spec, labels, "Labels", FIELD_LABELS, 0),
	ROW(network_spec, options, "Options", FIELD_LABELS, OMIT),
	ROW(network_spec, internal, "Internal", FIELD_BOOL, OMIT),
	ROW(network_spec, attachable, "Attachable", FIELD_BOOL, OMIT),
	ROW(network_spec, ingress, "Ingress", FIELD_BOOL, OMIT),
	ROW_TABLE(network_spec, ipam, "IPAM", FIELD_STRUCT, 0, &ipam_table),
	{ 0 },
};
const struct table network_spec_table = {
	"NetworkSpec", sizeof(struct network_spec), offsetof(struct network_spec, extra),
	network_spec_fields,
};

static const struct field network_fields[] = {
	ROW_TABLE(network, meta, NULL, FIELD_FLAT, 0, &meta_table),
	ROW_TABLE(network, spec, "Spec", FIELD_STRUCT, 0, &network_spec_table),
	ROW(network, pending_delete, "PendingDelete", FIELD_BOOL, OMIT | FIELD_INTERNAL),
	{ 0 },
};
const struct table network_table = {
	"Network", sizeof(struct network), TABLE_NO_EXTRA, network_fields,
};
