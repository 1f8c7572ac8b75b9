#!/bin/bash
# Several managers as real processes, each in a host of its own, under a load of reads and writes at
# all of them on the KV and on services: whatever is done to a minority, nothing that was acknowledged
# is lost, every read is true, and writes go on by themselves. tests/lab/soak does it for an hour.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/swarm.sh"
swarm_begin 5 3

under_load "the leader is killed" 3000 fault_kill "$(leader)"
under_load "a follower is killed" 1000 fault_kill "$(followers 1)"
under_load "the leader stands still" 4000 fault_stop "$(leader)" 2
under_load "the leader is stopped" 1000 fault_term "$(leader)"
under_load "the leader loses its power" 4000 fault_power "$(leader)"
under_load "all lose their power" 15000 fault_power 1 2 3
under_load "the leader is cut off" 4000 fault_cut 2 "$(leader)"
under_load "the leader hears nobody" 4000 fault_one_way 2 "$(leader)" in
under_load "nobody hears the leader" 4000 fault_one_way 2 "$(leader)" out
under_load "every twentieth packet is lost" 4000 fault_loss 2 0.05
under_load "the leader's disk is slow" 4000 fault_slow "$(leader)" 2 20
under_load "the leader's disk is full" 4000 fault_full "$(leader)" 2
under_load "each is stopped and started again" 2000 fault_rolling
# Whether the one that was mended votes: without one of the others there is no majority but with it.
damaged=$(followers 1)
under_load "one bit of a follower's log is another one" 3000 fault_flip "$damaged"
under_load "the mended one is needed" 4000 fault_kill $((damaged % 3 + 1))
damaged=$(leader)
under_load "the leader's log is gone" 4000 fault_lost "$damaged"
under_load "the one with a new log is needed" 4000 fault_kill $((damaged % 3 + 1))

if clocks_own; then
	under_load "each is replaced by the sanitized build" 4000 fault_rolling
	under_load "the leader's clock is set" 1000 fault_clock "$(leader)"
	under_load "the leader is killed" 4000 fault_kill "$(leader)"
	NODE_COMMAND=("$SWARMBOX")
else
	skip "clocks that are set" "no build/asan/swarmbox"
fi

swarm_grow
swarm_grow
two() { leader; followers 1; }
under_load "two of five are cut off, the leader too" 4000 fault_split 2 $(two)
under_load "two of five lose their power" 4000 fault_power $(two)
alone=$(leader)
under_load "four of five are gone for good" 10000 fault_force "$alone"
check "the one that is left can be killed" fault_kill "$alone"
check "and is a swarm of one" eventually 5 whole
lab_end
