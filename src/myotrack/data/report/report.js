// What the page of a run can do beyond being read: values under the pointer, curves that hide, a film that follows.
// Everything is read from the drawings themselves; nothing is loaded, and without this file nothing is missing.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 34, RIGHT = 274, TOP = 8, BOTTOM = 130; // As in view/plot.py.
  const UNITS = { time: " s", cycle: " %", minutes: " min" };
  const pair = (words) => words.split(" ").map(Number);
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const told = (value) => Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
  const said = (value) => told(value).replace("-", "\u2212");

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  document.body.append(tip);

  // ---- Panels -------------------------------------------------------------------------------------------------------
  const axes = new Map();
  function axesOf(svg) {
    if (!axes.has(svg)) {
      const [low, high] = pair(svg.dataset.y);
      const curves = [...svg.querySelectorAll("[data-label]")].map((shape) => {
        const points = (shape.getAttribute("points") || "").split(" ").filter(Boolean).map((each) => each.split(",").map(Number));
        const halves = shape.tagName === "polygon"
          ? [points.slice(0, points.length / 2), points.slice(points.length / 2).reverse()] : [points];
        return { shape, halves };
      });
      const cursor = document.createElementNS(SVG, "line");
      cursor.setAttribute("class", "cursor");
      cursor.setAttribute("y1", TOP);
      cursor.setAttribute("y2", BOTTOM);
      svg.append(cursor);
      axes.set(svg, { x: pair(svg.dataset.x), low, high, curves, cursor });
    }
    return axes.get(svg);
  }
  function at(points, x) {
    if (!points.length || x < points[0][0] - 1 || x > points[points.length - 1][0] + 1) return NaN;
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle][0] <= x) low = middle; else high = middle;
    }
    const [x0, y0] = points[low], [x1, y1] = points[high];
    return x1 === x0 ? y0 : y0 + (y1 - y0) * clamp((x - x0) / (x1 - x0), 0, 1);
  }
  function values(svg, x) {
    const { low, high, curves } = axesOf(svg);
    const place = LEFT + share(svg, x) * (RIGHT - LEFT);
    const value = (y) => high - (y - TOP) / (BOTTOM - TOP) * (high - low);
    const rows = [];
    for (const { shape, halves } of curves) {
      if (shape.classList.contains("hidden")) continue;
      const ys = halves.map((points) => at(points, place)).filter((y) => !Number.isNaN(y)).map(value);
      if (!ys.length) continue;
      ys.sort((one, other) => one - other);
      rows.push([shape.dataset.key, shape.dataset.label, ys.map(said).join(" to ")]);
    }
    return rows;
  }
  const range = (thing) => pair(thing.dataset.x);
  function share(thing, x) {
    const [begin, end] = range(thing);
    return clamp((x - begin) / (end - begin), 0, 1);
  }

  // ---- One cursor for all drawings of a trial that share an axis --------------------------------------------------
  const home = (thing) => thing.closest("section") || document.body;
  function drawings(section, axis) {
    return section.querySelectorAll(`[data-axis="${axis}"]`);
  }
  function point(section, axis, x) {
    for (const thing of drawings(section, axis)) {
      if (thing.classList.contains("map")) {
        thing.classList.toggle("on", x !== null);
        if (x !== null) thing.style.setProperty("--at", `${100 * share(thing, x)}%`);
      } else {
        if (x === null && !axes.has(thing)) continue;
        const { cursor } = axesOf(thing);
        cursor.classList.toggle("on", x !== null);
        if (x !== null) {
          const place = LEFT + share(thing, x) * (RIGHT - LEFT);
          cursor.setAttribute("x1", place);
          cursor.setAttribute("x2", place);
        }
      }
    }
  }
  function seek(section, axis, x) {
    const film = axis === "time" && section.querySelector("video");
    if (!film || !film.duration) return;
    film.pause();
    film.currentTime = clamp(x, 0, film.duration - 0.001);
  }
  function say(event, head, rows) {
    tip.replaceChildren();
    const title = document.createElement("b");
    title.textContent = head;
    tip.append(title);
    for (const [key, label, value] of rows) {
      const row = document.createElement("div"), dot = document.createElement("i"), number = document.createElement("span");
      dot.className = `dot k-${key}`;
      number.textContent = value;
      row.append(dot, label, number);
      tip.append(row);
    }
    tip.classList.add("on");
    const box = tip.getBoundingClientRect(), gap = 14;
    const x = event.clientX + gap + box.width > innerWidth ? event.clientX - gap - box.width : event.clientX + gap;
    tip.style.left = `${clamp(x, 4, Math.max(4, innerWidth - box.width - 4))}px`;
    tip.style.top = `${clamp(event.clientY + gap, 4, Math.max(4, innerHeight - box.height - 4))}px`;
  }
  const quiet = () => tip.classList.remove("on");

  for (const svg of document.querySelectorAll(".panel svg")) {
    const { axis, unit } = svg.dataset;
    const move = (event) => {
      const box = svg.getBoundingClientRect();
      const place = (event.clientX - box.left) / box.width * 280;
      const [begin, end] = range(svg);
      const x = begin + clamp((place - LEFT) / (RIGHT - LEFT), 0, 1) * (end - begin);
      point(home(svg), axis, x);
      seek(home(svg), axis, x);
      say(event, `${said(x)}${UNITS[axis]}${unit ? ` \u00b7 ${unit}` : ""}`, values(svg, x));
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerdown", move);
    svg.addEventListener("pointerleave", () => { quiet(); rest(svg, axis); });
  }
  for (const map of document.querySelectorAll(".map")) {
    const { axis } = map.dataset, top = Number(map.dataset.top);
    const move = (event) => {
      const cell = event.target.closest(".cell[data-v]");
      if (!cell) return quiet();
      const box = cell.getBoundingClientRect(), [begin, end] = range(map);
      const where = clamp((event.clientX - box.left) / box.width, 0, 1), x = begin + where * (end - begin);
      const coded = atob(cell.dataset.v);
      const value = coded.charCodeAt(Math.min(coded.length - 1, Math.floor(where * coded.length))) / 255 * top * 100;
      point(home(map), axis, x);
      seek(home(map), axis, x);
      const row = cell.closest(".row"), side = map.querySelectorAll(".side")[[...row.querySelectorAll(".cell")].indexOf(cell)];
      const name = row.querySelector(".name").textContent + (side ? `, ${side.textContent}` : "");
      say(event, name, [["own", `at ${said(x)}${UNITS[axis]}`, `${value.toFixed(1)} %`]]);
    };
    map.addEventListener("pointermove", move);
    map.addEventListener("pointerdown", move);
    map.addEventListener("pointerleave", () => { quiet(); rest(map, axis); });
  }
  // The cursor stays where the film is; elsewhere it goes.
  function rest(thing, axis) {
    const film = axis === "time" && home(thing).querySelector("video");
    point(home(thing), axis, film && film.duration ? film.currentTime : null);
  }

  // ---- Films ------------------------------------------------------------------------------------------------------
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  for (const film of document.querySelectorAll("section.trial video")) {
    const section = home(film);
    const follow = () => {
      point(section, "time", film.currentTime);
      if (!film.paused) requestAnimationFrame(follow);
    };
    film.addEventListener("play", () => requestAnimationFrame(follow));
    film.addEventListener("seeked", () => point(section, "time", film.currentTime));
    if (still) { film.removeAttribute("autoplay"); film.pause(); }
    if (!film.paused) requestAnimationFrame(follow);
  }

  // ---- Legends ----------------------------------------------------------------------------------------------------
  for (const button of document.querySelectorAll(".legend button")) {
    button.setAttribute("aria-pressed", "true");
    button.title = "Hide or show";
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      const figure = button.closest("figure");
      for (const shape of figure.querySelectorAll(`svg [data-key="${button.dataset.key}"]`)) shape.classList.toggle("hidden", !on);
    });
  }

  // ---- Looking for a muscle ---------------------------------------------------------------------------------------
  for (const map of document.querySelectorAll(".map[data-search]")) {
    const label = document.createElement("label"), field = document.createElement("input");
    label.className = "find";
    field.type = "search";
    field.placeholder = map.dataset.search;
    label.append("Find ", field);
    map.before(label);
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const block of map.querySelectorAll(".block")) {
        let any = false;
        for (const row of block.querySelectorAll(".row")) {
          const words = `${row.textContent} ${row.title} ${block.firstElementChild.textContent}`.toLowerCase();
          row.hidden = !words.includes(wanted);
          any ||= !row.hidden;
        }
        block.hidden = !any;
      }
    });
  }

  // ---- Contents: where one is -------------------------------------------------------------------------------------
  const links = new Map();
  for (const link of document.querySelectorAll("nav.contents a")) {
    const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (target) links.set(target, link);
  }
  const places = [...links.keys()];
  let waiting = false;
  function mark() {
    waiting = false;
    let here = places[0];
    for (const place of places) if (place.getClientRects().length && place.getBoundingClientRect().top < 140) here = place;
    for (const [place, link] of links) link.classList.toggle("here", place === here);
  }
  addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
  mark();

  // ---- Paper shows everything --------------------------------------------------------------------------------------
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const film of document.querySelectorAll("video")) film.pause();
  });
})();
