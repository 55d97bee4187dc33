"""Metabolic power of one muscle by OpenSim's own probes: the golden table of tests/validate/test_metabolics.py.

    python -m venv VENV && VENV/bin/pip install opensim==4.6
    VENV/bin/python benchmarks/opensim_metabolics.py > tests/validate/golden/metabolics.csv

A block on a slider pulled by one Millard (2012) muscle with a rigid tendon, as ours have. Every row is a state of its
fibre and what `Umberger2010MuscleMetabolicsProbe` and `Bhargava2004MuscleMetabolicsProbe` make of it, by their default
settings without the basal rate, and Bhargava's once more with the force-dependent heat of shortening. Needs opensim,
not myotrack.
"""

import csv
import itertools
import sys

import opensim

PEAK, FIBRE, SLACK, SPEED = 1000.0, 0.1, 0.2, 10.0
"""Peak force [N], optimal fibre length [m], tendon slack length [m], fastest shortening [fibre lengths / s]."""
LENGTHS, VELOCITIES = (0.8, 1.0, 1.25), (-4.0, -1.0, 0.0, 1.0)
"""Of the fibre, over its optimal length [1, 1 / s]."""
DRIVES = ((1.0, 1.0), (0.3, 0.3), (0.6, 0.2), (0.1, 0.5), (0.02, 0.02))
"""Excitation and activation."""
SHARES = (0.5, 0.8)
"""Of slow fibres."""
COLUMNS = (
    "slow_share", "excitation", "activation", "length", "velocity_m_s", "active_N", "passive_N", "isometric",
    "mass_kg", "umberger_W", "bhargava_W", "bhargava_force_dependent_W",
)  # fmt: skip


def main() -> None:
    """Print the table."""
    opensim.Logger.setLevelString("off")  # It would speak in the middle of the table.
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for slow in SHARES:
        model, muscle, probes = block(slow)
        state = model.initSystem()
        brain = opensim.PrescribedController.safeDownCast(model.getControllerSet().get(0))
        for (excitation, activation), length, velocity in itertools.product(DRIVES, LENGTHS, VELOCITIES):
            brain.prescribeControlForActuator(muscle.getName(), opensim.Constant(excitation))
            state = model.initSystem()
            coordinate = model.getCoordinateSet().get(0)
            coordinate.setValue(state, SLACK + FIBRE * length)
            coordinate.setSpeedValue(state, FIBRE * velocity)
            muscle.setActivation(state, activation)
            model.realizeReport(state)
            row = [
                slow, muscle.getControl(state), muscle.getActivation(state), muscle.getNormalizedFiberLength(state),
                muscle.getFiberVelocity(state), muscle.getActiveFiberForce(state), muscle.getPassiveFiberForce(state),
                muscle.getActiveForceLengthMultiplier(state), PEAK / 0.25e6 * 1059.7 * FIBRE,
                *(probe.computeProbeInputs(state).get(0) for probe in probes),
            ]  # fmt: skip
            writer.writerow([f"{value:.10g}" for value in row])


def block(slow: float) -> tuple[opensim.Model, opensim.Muscle, list[opensim.Probe]]:
    """The model, its muscle, and probes of it without the basal rate."""
    model = opensim.Model()
    mass = opensim.Body("block", 1.0, opensim.Vec3(0), opensim.Inertia(1, 1, 1))
    model.addBody(mass)
    slider = opensim.SliderJoint("slider", model.getGround(), mass)
    model.addJoint(slider)
    muscle = opensim.Millard2012EquilibriumMuscle("muscle", PEAK, FIBRE, SLACK, 0.0)
    muscle.set_max_contraction_velocity(SPEED)
    muscle.set_ignore_tendon_compliance(True)
    muscle.set_fiber_damping(0.0)
    muscle.addNewPathPoint("origin", model.getGround(), opensim.Vec3(0))
    muscle.addNewPathPoint("insertion", mass, opensim.Vec3(0))
    model.addForce(muscle)
    brain = opensim.PrescribedController()
    brain.addActuator(muscle)
    brain.prescribeControlForActuator("muscle", opensim.Constant(0.5))
    model.addController(brain)
    umberger = opensim.Umberger2010MuscleMetabolicsProbe(True, True, False, True)
    umberger.setName("umberger")
    model.addProbe(umberger)
    umberger.addMuscle("muscle", slow)
    probes = [umberger]
    for name, dependent in (("bhargava", False), ("force_dependent", True)):
        probe = opensim.Bhargava2004MuscleMetabolicsProbe(True, True, True, False, True)
        probe.setName(name)
        probe.set_use_force_dependent_shortening_prop_constant(dependent)
        model.addProbe(probe)
        probe.addMuscle("muscle", slow, 40.0, 133.0, 74.0, 111.0)
        probes.append(probe)
    return model, muscle, probes


if __name__ == "__main__":
    main()
