# shellcheck shell=bash
# Sourced by swarm.sh when SYSTEM=etcd: etcd in the place of swarmbox, so that the lab's faults and
# checks can be tried on a system that is known to be right. It has no services, mends no damaged
# log, and does not come back from a full disk by itself. ETCD_ARGS="--unsafe-no-fsync" must fail when
# all lose their power: that the lab's power cut is one.
KV_DIALECT=etcd
KV_LOAD=("$LAB" x 0 "$KVLOAD")  # its API is on the wire
RAFT_FOLDER=/var/lib/swarmbox/member/wal

endpoint() { KV_ENDPOINTS[$1]=$("$LAB" ip "$1"):2379; }

etcd_run() {
	local ip state=$2
	ip=$("$LAB" ip "$1")
	x "$1" setsid -f etcd --name "h$1" --data-dir /var/lib/swarmbox --initial-cluster-state "$state" \
		--listen-client-urls "http://$ip:2379,http://127.0.0.1:2379" \
		--advertise-client-urls "http://$ip:2379" --listen-peer-urls "http://$ip:2380" \
		--initial-advertise-peer-urls "http://$ip:2380" --initial-cluster "$3" ${ETCD_ARGS:-} \
		>>"$LAB_TMP/etcd$1.log" 2>&1 </dev/null
	eventually 15 x "$1" etcdctl --command-timeout 1s get none
}

node_first() { etcd_run "$1" new "h1=http://$("$LAB" ip 1):2380"; }
node_join() {
	local i list
	eventually 10 x 1 etcdctl member add "h$1" --peer-urls "http://$("$LAB" ip "$1"):2380" || return 1
	list=$(for i in $(seq "$1"); do echo "h$i=http://$("$LAB" ip "$i"):2380"; done | paste -sd,)
	etcd_run "$1" existing "$list"
}
node_start() { etcd_run "$1" existing ""; }
node_signal() { x "$1" sh -c 'p=$(pidof etcd) || exit 0; kill -'"$2"' $p'; }
node_kill() { node_signal "$1" KILL && eventually 10 not x "$1" pidof etcd; }
node_term() { node_signal "$1" TERM && eventually 10 not x "$1" pidof etcd; }

managers() {
	local i
	for i in $(seq "$SWARM_SIZE"); do
		x "$i" etcdctl --command-timeout 1s endpoint status 2>/dev/null |
			awk -F', ' -v i="$i" '{print "h" i, $5 == "true" ? "leader" : "reachable"}'
	done
}
