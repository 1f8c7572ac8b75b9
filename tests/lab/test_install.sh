#!/bin/bash
# make install: the binary, its links, the unit files, and what a service manager runs.
. "$(dirname "$0")/lib.sh"
lab_begin 1
root=$LAB_TMP/root
bin=$root/usr/bin
unit=$root/usr/lib/systemd/system/swarmbox@.service
rc=$root/usr/share/swarmbox

# --old-file: the binary under test is installed as it is, not made anew.
install_it() {
	make -s -C "$LAB_TREE" BUILD="$(dirname "$SWARMBOX")" -o "$(dirname "$SWARMBOX")/swarmbox" \
		DESTDIR="$root" PREFIX=/usr "$@" install
}
links() {
	local a
	for a in $("$SWARMBOX" --list); do
		[ "$(readlink "$bin/swarmbox-$a")" = swarmbox ] || echo "swarmbox-$a: no link"
		"$bin/swarmbox-$a" --help >"$LAB_TMP/help" || echo "swarmbox-$a --help: $?"
		grep -q "^Usage: *swarmbox $a" "$LAB_TMP/help" || head -n 1 "$LAB_TMP/help"
	done
}

check "install" install_it
check "the binary" cmp "$SWARMBOX" "$bin/swarmbox"
check "each link is its applet" is "" links
check "no mark is left in a unit" not grep -r @BIN@ "$root/usr"
check "the units name the binary" is 3 sh -c "grep -rl /usr/bin/swarmbox $root/usr/lib $rc | wc -l"
for i in openrc procd; do
	check "$i's is a shell script" sh -n "$rc/$i/swarmbox"
	check "INIT=$i installs it" install_it INIT=$i
	check "as a program" test -x "$root/etc/init.d/swarmbox"
	check "and no other's" cmp "$rc/$i/swarmbox" "$root/etc/init.d/swarmbox"
done
if command -v systemd-analyze >/dev/null; then
	# The check wants the program where the unit says it is.
	sed "s,/usr/bin/,$bin/," "$unit" >"$LAB_TMP/swarmbox@.service"
	check "systemd takes the unit" \
		is "" systemd-analyze verify --man=no "$LAB_TMP/swarmbox@manager.service"
else
	skip "systemd takes the unit" "no systemd-analyze"
fi

# What the unit runs, with an exit status to look at.
manager() {
	x 1 sh -c "setsid -f sh -c '$bin/swarmbox manager >/run/out 2>&1; echo \$? >/run/status'"
}
started() { d 1 inspect -f '{{.State.StartedAt}}' "$(d 1 ps -q --filter name=web)"; }
terminate() { x 1 sh -c 'rm -f /run/status; kill $(pidof swarmbox)'; }

check "without a node it says so" fails "holds no node" x 1 "$bin/swarmbox" manager
check "init" x 1 "$bin/swarmbox-init"
check "a service" sb 1 service create --name web --publish 8080:80 lab/box
before=$(started)
sb_kill 1 TERM
check "the unit's command" manager
check "goes on with the swarm" eventually 10 has "1/1" sb 1 service ls
check "SIGTERM" terminate
check "ends it with status 0" eventually 10 is 0 x 1 cat /run/status
check "no process is left" eventually 5 not x 1 pidof swarmbox
check "containers run on" is 1 running 1
check "started once more" manager
check "answers" eventually 10 has "1/1" sb 1 service ls
check "with the same container" is "$before" started
check "is served" eventually 5 has . x 1 curl -sf -m 2 http://127.0.0.1:8080/cgi-bin/who
lab_end
