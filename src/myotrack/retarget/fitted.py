"""A body of the person's own sizes: which sizes it gets, and what it weighs."""

from dataclasses import replace

from myotrack.anatomy.sizes import HEAVIEST, LIGHTEST, Sizes
from myotrack.capture.recording import Recording
from myotrack.retarget.subject import Subject

SIZE_DIGITS, MASS_DIGITS = 3, 1
"""Decimals of sizes and of masses in kg, so that the same person has the same body again: 0.4 mm of a thigh, 100 g."""


def fitted_sizes(recording: Recording, subject: Subject, mass: float | None = None) -> tuple[Sizes, str]:
    """The sizes of a person's body, and where its mass comes from in words.

    The mass is the one given, else the recorded one if a person of these sizes can have it, else that of a person as
    dense as the published body.

    Args:
        recording: Which may know the mass.
        subject: The person beside the published body.
        mass: Of the person, if the caller knows better [kg].

    Raises:
        ValueError: A part is too small or too large for a body, or nobody of these sizes has the mass that was given;
            the message names the file.
    """
    try:
        sizes = Sizes.of([round(float(size), SIZE_DIGITS) for size in subject.size])
    except ValueError as error:
        raise ValueError(f"{recording.origin.file}: {error}") from error
    dense, recorded = sizes.volume_mass(), recording.subject.mass
    if mass is not None:
        if not LIGHTEST < mass / dense < HEAVIEST:
            raise ValueError(
                f"{recording.origin.file}: a person of the sizes found cannot weigh {mass:g} kg; give a mass between "
                f"{LIGHTEST * dense:.0f} and {HEAVIEST * dense:.0f} kg, or none."
            )
        return replace(sizes, mass=round(mass, MASS_DIGITS)), "the mass is the one given"
    if recorded is None:
        return sizes, f"no mass is recorded, so the person weighs {dense:.1f} kg, as dense as the published body"
    if not LIGHTEST < recorded / dense < HEAVIEST:
        return sizes, f"the recorded mass of {recorded:g} kg does not fit these sizes, so it is {dense:.1f} kg instead"
    return replace(sizes, mass=round(recorded, MASS_DIGITS)), "the mass is the recorded one"
