/* control_specs.h - ServiceSpecs for tests of the control loops. Pure. */
#ifndef SB_UNIT_CONTROL_SPECS_H
#define SB_UNIT_CONTROL_SPECS_H
/* A replicated service: how many, its image, then more of its task template and of its spec. */
#define SERVICE(replicas, image, task, more)                                               \
	"{\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"" image "\"}" task "},"         \
	"\"Mode\":{\"Replicated\":{\"Replicas\":" #replicas "}}" more "}"
#define RESTART(policy) ",\"RestartPolicy\":{" policy "}"
#define PLACEMENT(placement) ",\"Placement\":{" placement "}"
#define UPDATE(config) ",\"UpdateConfig\":{" config "}"
#define PORTS(ports) ",\"EndpointSpec\":{\"Ports\":[" ports "]}"
#define SECONDS(n) #n "000000000"
#endif
