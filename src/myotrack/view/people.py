"""The part of the page that asks whether it is human: a portrait of a trial, drawn over what is known of people."""

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from myotrack.anatomy.fibres import REGIONS, region_of
from myotrack.anatomy.naming import LEFT
from myotrack.validate.gait import ANGLES, FORCES, LOADED, Parameter, meaning
from myotrack.validate.metabolics import Metabolics
from myotrack.validate.norms import WIDTH
from myotrack.validate.portrait import Portrait
from myotrack.validate.published import CHEAPEST, FASTEST, STANDING, Published, Source, ralston, usual, walking
from myotrack.view.plot import Key, Line, Map, Panel, Picture, Row, end_of_scale

CYCLE = np.linspace(0.0, 100.0, 101)
SAGITTAL = ("hip_flexion", "knee_angle", "ankle_angle")
GAIT_ROWS = {
    "cadence": ("cadence", "steps/min", 60.0, 0),
    "speed": ("speed", "m/s", 1.0, 2),
    "stride_length": ("stride length", "m", 1.0, 2),
    "step_length": ("step length", "m", 1.0, 2),
    "step_width": ("step width", "cm", 100.0, 1),
    "stance": ("stance", "% of stride", 100.0, 1),
    "double_support": ("double support", "% of stride", 100.0, 1),
}
"""Name, unit, factor and digits of what `Gait.parameters` tells."""
GROUND_ROWS = {
    "first_peak": ("first peak, upward", "% of body weight", 100.0, 0),
    "valley": ("valley between the peaks", "% of body weight", 100.0, 0),
    "second_peak": ("second peak, upward", "% of body weight", 100.0, 0),
    "loading_rate": ("loading rate", "body weight/s", 1.0, 1),
    "braking_peak": ("braking peak", "% of body weight", 100.0, 0),
    "propulsive_peak": ("propulsive peak", "% of body weight", 100.0, 0),
    "braking_impulse": ("braking impulse", "body weight × s", 1.0, 3),
    "propulsive_impulse": ("propulsive impulse", "body weight × s", 1.0, 3),
    "impulse": ("impulse upward, of one foot", "body weight × s", 1.0, 2),
    "borne": ("borne by both feet on average", "% of body weight", 100.0, 0),
}
"""The same of what `Kinetics.ground` tells."""
FORCE_TITLES = {"fore_aft": "forward", "outward": "outward", "vertical": "upward"}
MODEL_TITLES = {"umberger": "Umberger 2003, 2010", "bhargava": "Bhargava 2004"}
OWN, SPREAD = Key("own", "this body, mean of its strides"), Key("spread", "± 1 standard deviation", "area")
PEOPLE = (Key("people", f"people, ± {WIDTH:g} standard deviations", "area"), Key("norm", "people, mean", "dash"))
ABOUT = {
    "angle": ("angles", "Joint angles over the cycle", 180 / math.pi, "°", 5.0),
    "force": ("reaction", "What the ground does to a foot", 100.0, "% of body weight", 10.0),
    "moment": ("cycle-moments", "Net joint moments over the cycle", 1.0, "N m/kg", 0.2),
    "power": ("cycle-powers", "Joint powers over the cycle", 1.0, "W/kg", 0.5),
}
"""Name, title, factor, unit and least span of a kind of curve."""
WORDS = {
    "angle": "From the strike of a foot to its next, over the strides of both feet, each as if it were the right one. "
    "Positive is what the title says.",
    "force": "On one foot, from its strike to its next.",
    "moment": "By inverse dynamics from the motion and the forces of the ground: what muscles, ligaments and all else "
    "that crosses a joint make together, over body mass.",
    "power": "Moment times rate of the joint: positive where it gives energy to the body, negative where it takes.",
}


def beside_people(portrait: Portrait, anchor: str) -> str:
    """The part of a trial.

    Args:
        portrait: Of the trial.
        anchor: Of the trial's section, for links.
    """
    missing = "".join(f"<li>{escape(words)}</li>" for words in dict.fromkeys(portrait.missing.values()))
    parts = [
        f'<h3 class="part" id="{anchor}-people">Beside people</h3>\n',
        f"<p>{escape(in_words(portrait))}</p>\n" if portrait.gait is not None or portrait.spent else "",
        f'<ul class="absent" aria-label="What is missing here">{missing}</ul>\n' if missing else "",
        gait_table(portrait),
        *(picture.html() for picture in pictures(portrait)),
        work_table(portrait),
        cost(portrait.spent),
    ]
    return f'<div class="people">{"".join(parts)}</div>\n'


def in_words(portrait: Portrait) -> str:
    """What the part says, in a few sentences."""
    words = []
    gait = portrait.gait
    if gait is not None:
        whole, cut = len(gait.strides), gait.partial + gait.irregular
        left_out = f"; {cut} cut off or irregular {'one is' if cut == 1 else 'ones are'} left out" if cut else ""
        words.append(f"{whole} whole {'stride' if whole == 1 else 'strides'} ({len(gait.right)} of the right foot, "
                     f"{len(gait.left)} of the left){left_out}.")  # fmt: skip
        if whole == 1:
            words.append("Of one stride nothing tells how much the next would differ.")
    for names, what in ((SAGITTAL, "hip, knee and ankle angles"), (("vertical",), "the force upward"),
                        (tuple(portrait.muscles), f"what {len(portrait.muscles)} muscles are told")):  # fmt: skip
        r = portrait.mean_r(names)
        if not math.isnan(r):
            mean = "Mean correlation" if len(names) > 1 else "Correlation"
            whom = "the EMG of people" if names == tuple(portrait.muscles) else "people"
            words.append(f"{mean} of {what} with {whom}: r\u00a0=\u00a0{r:.2f}.")
    if portrait.unexplained is not None:
        words.append(
            f"Motion and ground forces leave {100 * portrait.unexplained:.1f} % of body weight unexplained at the "
            "pelvis (RMS)."
        )
    ratio = cost_ratio(portrait.spent)
    if ratio is not None:
        words.append(ratio)
    return " ".join(words)


def in_short(portrait: Portrait) -> str:
    """The same in a sentence or two, for the head of the page; nothing where nothing is known of people."""
    parts = {SAGITTAL: "hip, knee and ankle angles", ("vertical",): "force upward", tuple(portrait.muscles): "muscles"}
    told = [
        f"{what} r\u00a0=\u00a0{r:.2f}" for names, what in parts.items() if not math.isnan(r := portrait.mean_r(names))
    ]
    likeness = f"Beside people: {', '.join(told)}." if told else ""
    return " ".join(filter(None, [likeness, cost_ratio(portrait.spent)]))


def pictures(portrait: Portrait) -> list[Picture | Map]:
    """All curves over the cycle that there are, and the map of all muscles."""
    found: list[Picture | Map] = []
    for kind, names in (
        ("angle", ANGLES),
        ("force", FORCES),
        ("moment", tuple(f"{joint}_moment" for joint in LOADED)),
        ("power", tuple(f"{joint}_power" for joint in LOADED)),
    ):
        name, title, factor, unit, least = ABOUT[kind]
        panels = [_panel(portrait, each, factor, unit, least) for each in names if portrait.curve(each) is not None]
        if panels:
            words = f"{WORDS[kind]} {_source(portrait, names)}".strip()
            found.append(Picture(name, title, words, panels, _keys(portrait, names), "cycle"))
    if portrait.muscles:
        names = tuple(portrait.muscles)
        words = (
            "What muscles are told, low-passed as EMG is, over its greatest value: nobody knows how strong EMG is, so "
            "compare when, not how much. Beside r stands how much the muscle is told at its peak, of all it can be. "
            f"{_source(portrait, names)}"
        )
        panels = [_panel(portrait, each, 100.0, "% of its peak", 10.0) for each in names]
        found.append(Picture("cycle-emg", "Muscles beside EMG", words.strip(), panels, _keys(portrait, names), "cycle"))
    if portrait.activity is not None:
        found.append(muscle_map(portrait))
    return found


def muscle_map(portrait: Portrait) -> Map:
    """Activation of every muscle over the cycle, by region and group."""
    assert portrait.gait is not None and portrait.activity is not None
    rows: dict[str, dict[str, list[Row]]] = {region: {} for region in reversed(REGIONS)}
    shown = []
    for muscle, values in zip(portrait.gait.anatomy.muscles, portrait.activity, strict=True):
        if muscle.side != LEFT:
            name = muscle.name.removesuffix("_r")
            rows[region_of(muscle.group)].setdefault(muscle.group, []).append(Row(name, [values], muscle.group))
            shown.append(values)
    blocks = [
        (f"{region}: {group}", each) for region, groups in rows.items() for group, each in groups.items()
    ]  # fmt: skip
    top = end_of_scale(shown)
    words = (
        f"Activation of each of {len(shown)} muscles, mean over strides, from the strike of a foot to its next: those "
        f"of the foot's own side and of the middle. 100 % is all that a muscle can give; the scale ends at "
        f"{100 * top:.0f} %."
    )
    return Map("muscles", "Every muscle over the cycle", words, (), blocks, top, 100.0, "cycle", "muscle or group")


def gait_table(portrait: Portrait) -> str:
    """Numbers of the strides and of the ground, beside what is usual."""
    if portrait.gait is None or portrait.kinetics is None:
        return ""
    found, asked = portrait.gait.parameters(), dict(GAIT_ROWS)
    if portrait.kinetics.right or portrait.kinetics.left:
        found, asked = found | portrait.kinetics.ground(), GAIT_ROWS | GROUND_ROWS
    people = {name: usual(name, found["speed"].mean) for name in asked}
    rows = [_number_row(*about, found[name], people[name]) for name, about in asked.items()]
    sources = cited(source for each in people.values() if each is not None for source in each.sources)
    return (
        "<h3>The gait in numbers</h3>\n<figure><figcaption>Mean over the strides of both feet, with their standard "
        "deviation. Asymmetry is right less left over their mean: 0 is even. Beside them means of groups of healthy "
        f"adults: at the speed of this body where it was measured, else at one that they like. {sources}</figcaption>\n"
        '<div class="wide"><table><thead><tr><th>measure</th><th class="number">mean</th><th class="number">± sd</th>'
        '<th>unit</th><th class="number">asymmetry</th><th class="number">people</th><th>source</th></tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody></table></div></figure>\n"
    )


def work_table(portrait: Portrait) -> str:
    """What joints give and take in a stride."""
    if portrait.kinetics is None or "moments" in portrait.missing:
        return ""
    rows = []
    for joint in LOADED:
        work = portrait.kinetics.work(joint)
        rows.append(f"<tr><th>{escape(_title(joint))}</th><td class='number'>{_signed(work.positive.mean, 3)}</td>"
                    f"<td class='number'>{_signed(work.negative.mean, 3)}</td></tr>")  # fmt: skip
    return (
        "<h3>Work of the joints in a stride</h3>\n<figure><figcaption>Integral of the powers above, mean over strides "
        "[J/kg of body].</figcaption>\n"
        '<div class="wide"><table class="narrow"><thead><tr><th>about the axis of</th><th class="number">given</th>'
        f'<th class="number">taken</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div></figure>\n'
    )


def cost_ratio(spent: Sequence[Metabolics]) -> str | None:
    """How far from people the cost is, in a sentence; None where that cannot be told."""
    gross = [each.gross for each in spent if each.gross is not None]
    if not gross or not spent:
        return None
    speed = spent[0].speed
    if speed is not None and speed > FASTEST:
        return None
    people = ralston(speed) if speed is not None else (STANDING.low + STANDING.high) / 2
    how = f"who walk at {speed:.2f} m/s" if speed is not None else "who stand still"
    low, high = min(gross) / people, max(gross) / people
    times = f"{low:.1f}" if round(low, 1) == round(high, 1) else f"{low:.1f} to {high:.1f}"
    return f"By two models its muscles spend {times} times what people do {how}."


def cost(spent: Sequence[Metabolics]) -> str:
    """Metabolic power by model and by muscle group."""
    if not spent:
        return ""
    rows = "".join(
        f"<tr><th>{MODEL_TITLES[each.model]}</th>{_cost_cells(each.net, each.gross, each.cost.net, each.cost.gross)}"
        "<td class='unit'>model</td></tr>"
        for each in spent
    )
    people = [] if spent[0].gross is None else _spent_by_people(spent[0].speed)
    rows += "".join(_published_row(*each) for each in people)
    ratio = cost_ratio(spent)
    honest = " ".join(filter(None, [
        ratio and ratio + " Watts are told here to compare gaits of this body with one another, not to predict "
        "what a person would breathe: masses and fibres of its muscles are estimates.",
        *dict.fromkeys(note for each in spent for note in each.notes),
    ]))  # fmt: skip
    return (
        "<h3>What it costs</h3>\n<figure><figcaption>Metabolic power of all muscles over the whole motion, per "
        "kilogram of body. Gross has the basal rate in it, net has not; cost of transport is power over speed. "
        f"{escape(honest)} {cited(source for *_, sources in people for source in sources)}</figcaption>\n"
        '<div class="wide"><table><thead><tr><th>by</th><th class="number">net <small>W/kg</small></th>'
        '<th class="number">gross <small>W/kg</small></th><th class="number">transport, net <small>J/kg/m</small></th>'
        '<th class="number">gross <small>J/kg/m</small></th><th>source</th></tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n{_bars(spent)}</figure>\n"
    )


def _spent_by_people(speed: float | None) -> list[tuple[str, str, Sequence[Source]]]:
    """Titles, cells and sources of rows; without a speed they stand."""
    if speed is None:
        cells = _cost_cells(None) + _span(STANDING) + _cost_cells(None, None)
        return [("people who stand", cells, STANDING.sources)]
    if speed > FASTEST:
        return []
    rows = [
        (f"people at {speed:.2f} m/s", _cost_cells(None, power, None, power / speed), (source,))
        for source, power in walking(speed).items()
    ]
    return [*rows, ("people at the cheapest speed", _cost_cells(None, None, None) + _span(CHEAPEST), CHEAPEST.sources)]


def _published_row(title: str, cells: str, sources: Sequence[Source]) -> str:
    names = escape("; ".join(source.name for source in sources))
    return f"<tr class='published'><th>{escape(title)}</th>{cells}<td class='unit source'>{names}</td></tr>"


def cited(sources: Iterable[Source]) -> str:
    """Where the numbers of people were read, each source once, as markup."""
    told = "; ".join(f"{source.name}: {source.citation}" for source in dict.fromkeys(sources))
    return escape(f"{told}." if told else "")


def _span(of: Published) -> str:
    return f"<td class='number'>{of.low:.1f} to {of.high:.1f}</td>"


def _bars(spent: Sequence[Metabolics]) -> str:
    """Power of muscle groups, both sides, the greatest first."""
    found: dict[str, list[float]] = {}
    for place, each in enumerate(spent):
        for (group, _), power in each.groups.items():
            found.setdefault(group, [0.0] * len(spent))[place] += power / each.mass
    top = max((max(values) for values in found.values()), default=0.0) or 1.0
    keys = ("outside", "missed")
    rows = "".join(
        f"<tr><th>{escape(group)}</th><td class='bars'>"
        + "".join(f"<i class='k-{key}' style='width:{100 * value / top:.1f}%'></i>"
                  for key, value in zip(keys, values, strict=False))
        + "</td>" + "".join(f"<td class='number'>{value:.2f}</td>" for value in values) + "</tr>"
        for group, values in sorted(found.items(), key=lambda each: -max(each[1]))
    )  # fmt: skip
    heads = "".join(f"<th class='number'><i class='dot k-{key}'></i>{MODEL_TITLES[each.model]}</th>"
                    for key, each in zip(keys, spent, strict=False))  # fmt: skip
    return (
        '<div class="wide"><table class="barred"><thead><tr><th>muscle group, both sides</th><th></th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>\n<p class='note'>[W/kg of body], net.</p>"
    )


def _cost_cells(*values: float | None) -> str:
    return "".join(f'<td class="number">{"–" if value is None else f"{value:.2f}"}</td>' for value in values)


def _panel(portrait: Portrait, name: str, factor: float, unit: str, least: float) -> Panel:
    """One curve over its band."""
    curve, norm = portrait.curve(name), portrait.norms.get(name)
    assert curve is not None
    muscle = name in portrait.muscles
    peak = float(curve.mean.max()) if muscle else 1.0
    scale = factor / peak if peak > 0 else 0.0
    mean, spread = scale * curve.mean, scale * curve.spread
    lines: list[Line] = []
    notes: list[str] = []
    if norm is not None:
        low, high = (factor * (norm.mean + side * WIDTH * norm.spread) for side in (-1, 1))
        lines += [Line("people", high, "area", other=np.maximum(low, 0.0) if muscle else low),
                  Line("norm", factor * norm.mean, "dash")]  # fmt: skip
    if spread.any():
        low = np.maximum(mean - spread, 0.0) if muscle else mean - spread
        lines.append(Line("spread", mean + spread, "area", other=low))
    lines.append(Line("own", mean))
    likeness = portrait.likenesses.get(name)
    if muscle and portrait.silent(name):
        notes.append("silent")
    elif likeness is not None and likeness.r is not None:
        notes.append(f"r {_signed(likeness.r, 2)}")
    if likeness is not None and likeness.inside is not None and not muscle:
        notes.append(f"{100 * likeness.inside:.0f} % inside")
    if muscle:
        notes.append(f"peak {100 * peak:.0f} %")
    return Panel(_title(name), unit, CYCLE, lines, ", ".join(notes), least, floor=muscle)


def _title(name: str) -> str:
    if name in FORCE_TITLES:
        return FORCE_TITLES[name]
    joint = name.removesuffix("_moment").removesuffix("_power")
    return meaning(joint).partition(" (")[0] if joint in ANGLES or joint in LOADED else name


def _keys(portrait: Portrait, names: Sequence[str]) -> list[Key]:
    assert portrait.gait is not None
    several = [SPREAD] if len(portrait.gait.strides) > 1 else []
    return [OWN, *several, *(PEOPLE if any(name in portrait.norms for name in names) else ())]


def _source(portrait: Portrait, names: Sequence[str]) -> str:
    """Whom the band is of, and how curves are compared."""
    norms = [portrait.norms[name] for name in names if name in portrait.norms]
    if not norms:
        return "" if "norms" in portrait.missing else "There is no norm of these."
    told = dict.fromkeys(f"{norm.of} ({norm.citation})" for norm in norms)
    return f"People: {'; '.join(told)}. r is the correlation with their mean, without lag."


def _number_row(title: str, unit: str, factor: float, digits: int, of: Parameter, people: Published | None) -> str:
    ends = () if people is None else (f"{factor * each:.{digits}f}" for each in (people.low, people.high))
    told, source = " to ".join(dict.fromkeys(ends)) or "–", "" if people is None else people.names
    return (
        f"<tr><th>{escape(title)}</th><td class='number'>{_signed(factor * of.mean, digits)}</td>"
        f"<td class='number'>{_signed(factor * of.spread, digits)}</td><td class='unit'>{escape(unit)}</td>"
        f"<td class='number'>{_signed(100 * of.asymmetry, 0, ' %')}</td><td class='number'>{told}</td>"
        f"<td class='unit source'>{escape(source)}</td></tr>"
    )


def _signed(value: float, digits: int, unit: str = "") -> str:
    """A number with a minus that is one; a dash for what is none."""
    if math.isnan(value):
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}{unit}".replace("-", "\N{MINUS SIGN}")
