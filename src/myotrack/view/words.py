"""What the page says in sentences: what happened, how the trials were made, how to read it."""

from collections.abc import Sequence

from myotrack.anatomy.model import BODIES, Anatomy
from myotrack.anatomy.naming import side_of, stem_of
from myotrack.validate.scorecard import Scorecard
from myotrack.validate.summary import TOGETHER
from myotrack.validate.tracking import Spread, joint_errors, support_force
from myotrack.validate.trials import Trial
from myotrack.view.figures import title_of

ABOUT_KIND = {
    "muscle control": "Muscles were controlled so that the simulated body follows the reference motion: at every "
    "hundredth of a second the joint moments that keep it on course are shared among the muscles at least effort, and "
    "the physics decides what becomes of it.",
    "static optimisation": "Nothing was simulated: for every frame of the recorded motion the joint moments were "
    "computed and shared among the muscles at least effort.",
    "policy": "A learnt policy commanded the muscles of the simulated body; nothing else moved it. Errors are those "
    "before the body first left its reference by the published rule, so they say little where few motions were kept to "
    "the end. The small numbers under a mean are its 95 % interval, over motions of that kind.",
}
READING = (
    "<b>Activation</b> is how strongly a muscle is switched on, from 0 to 100 % of what it can do. It is computed, not "
    "measured: of the many patterns that could make the motion, it is one that costs little effort. People also tense "
    "opposing muscles against each other, which this may not show.",
    "<b>Beside people</b> curves run from the strike of a foot to its next. A band holds 95 of 100 of those it is of, "
    "who may be several people or several walks of one: its caption says which. Inside the band is no proof of health, "
    "and outside of it no diagnosis.",
    "<b>Missed moment</b> is what the motion asks of a joint and the muscles of this model do not deliver. A few per "
    "cent of a joint's moment are usual. Where it is large, muscles are too weak or lie wrongly in the model, or the "
    "motion is not one that this body can make.",
    "<b>Reserve</b> and <b>support</b> are help from outside that no person has. Reserve moments turn single joints; "
    "support carries the pelvis. With support, forces under the feet and activations of the legs are not those of free "
    "walking or standing.",
    "In the <b>films</b> a muscle is grey at rest and bright red at full activation; in between its colour follows the "
    "root of the activation, so that weak ones can be seen. Blue dots are where joints should be.",
    "The model is that of one adult body unless sizes are given; it has no diagnosis in it, and its numbers are no "
    "basis for treatment on their own.",
)


def lead(trials: Sequence[Trial], card: Scorecard) -> list[str]:
    """What the page comes to, in a sentence per group of clips, and one for those on their own."""
    words = []
    for (group, acting), found in _means(card).items():
        kept, error = found.get("success_published"), found.get("landmark_error_mean")
        if kept is None:
            continue
        count = kept.interval.count
        done = round(count * kept.interval.mean / 100)
        how = f", {acting}" if acting else ""
        told = f"Of {count} {'motion' if count == 1 else 'motions'} ({group}{how}), {done} "
        told += f"{'was' if done == 1 else 'were'} kept to the end by the published rule"
        if error is not None:
            interval = "" if error.ends == "one clip" else f", 95 % interval {error.ends}"
            told += f"; until then landmarks were {error.text} mm from the reference on average{interval}"
        words.append(told + ".")
    alone = [trial for trial in trials if not trial.group]
    if alone:
        early = sum(bool(trial.ended) for trial in alone)
        whole = f"{len(alone)} {'motion' if len(alone) == 1 else 'motions'}"
        words.append(f"{whole} on {'its' if len(alone) == 1 else 'their'} own; "
                     f"{early or 'none'} ended early.")  # fmt: skip
    return words


def summary(trial: Trial, anatomy: Anatomy) -> str:
    """What happened, in a few plain sentences."""
    words = []
    whole = trial.wanted_frames / trial.rate
    if not trial.frames:
        return f"Nothing of the {whole:.1f} s of the motion was performed, so there is nothing to show."
    percent = 100 * float(trial.activation.double().mean())
    if trial.simulated:
        done = f"all {trial.duration:.1f} s" if not trial.ended else f"{trial.duration:.1f} of {whole:.1f} s"
        words.append(
            f"The simulated body performed {done} of the motion, moved by {trial.activation.shape[1]} muscles."
        )
        errors = Spread.of(joint_errors(trial), anatomy.coordinate_names[trial.joints], trial.rate)
        words.append(
            f"Joint angles were {errors.mean:.1f}° from the reference on average and at most {errors.worst:.0f}° "
            f"({_named(errors.where)})."
        )
    else:
        words.append(f"{trial.duration:.1f} s of recorded motion, explained by {trial.activation.shape[1]} muscles.")
    words.append(f"Muscles were active by {percent:.2g} % of what they can do on average.")
    helped = []
    if trial.support.any():
        helped.append(f"a force of {support_force(trial).mean():.0f} N on average held the pelvis")
    if trial.reserve.any():
        helped.append("reserve moments helped the joints")
    words.append(f"From outside, {' and '.join(helped)}." if helped else "Nothing helped from outside.")
    return " ".join(words)


def body_in_words(trial: Trial) -> str:
    """Which body it was."""
    fingers = "moving" if trial.fingers else "locked"
    return f"{BODIES[trial.body].title}, fingers {fingers}, {trial.activation.shape[1]} muscles"


def _means(card: Scorecard) -> dict[tuple[str, str], dict]:
    """Summaries by metric, over all seeds where there are several."""
    whole = {(each.group, each.acting) for each in card.summaries if each.seed == TOGETHER}
    found: dict[tuple[str, str], dict] = {}
    for each in card.summaries:
        if each.seed == TOGETHER or (each.group, each.acting) not in whole:
            found.setdefault((each.group, each.acting), {})[each.metric] = each
    return found


def _named(where: str) -> str:
    """'elbow_flex_r at 0.5 s' in words."""
    name, _, when = where.partition(" at ")
    side = side_of(name)
    return f"{title_of(stem_of(name))}{'' if side == 'midline' else f', {side}'}, at {when}"
