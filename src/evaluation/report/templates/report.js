"use strict";
// The browser of generations. Texts are hostile input: this script sets them by textContent alone.
(() => {
  const PAGE = 50;
  const SHADES = 8;
  const data = JSON.parse(document.getElementById("generations-data").textContent);
  const n = data.cell.length;
  const width = data.attributes.length;
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const count = document.getElementById("count");
  let found = [];
  let page = 0;
  let haystacks = null;

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const number = (value) => (value < 0 ? "−" : "") + Math.abs(value).toPrecision(3).replace(/\.?0+(e|$)/, "$1");

  // ---------------------------------------------------------------- columns for filters and orders
  const extremes = data.attributes.map(() => ({
    low: new Float64Array(n).fill(NaN),
    high: new Float64Array(n).fill(NaN),
  }));
  const seen = data.attributes.map(() => new Uint32Array(n)); // a bit per label that occurs
  const result = new Uint8Array(n); // 0 no sentence, 1 aligned, 2 misaligned
  const perplexity = Float64Array.from(data.perplexity, (value) => (value === null ? NaN : value));
  for (let i = 0; i < n; i++) {
    const scores = data.scores[i];
    const labels = data.labels[i];
    const targets = data.cells[data.cell[i]].targets;
    if (labels.length) result[i] = 1;
    for (let k = 0; k < labels.length; k++) {
      const a = k % width;
      seen[a][i] |= 1 << labels[k];
      if (labels[k] !== targets[a]) result[i] = 2;
      const ends = extremes[a];
      if (!(scores[k] >= ends.low[i])) ends.low[i] = scores[k];
      if (!(scores[k] <= ends.high[i])) ends.high[i] = scores[k];
    }
  }

  const haystack = (i) => {
    if (!haystacks) {
      const prompts = data.prompts.map((text) => text.toLowerCase());
      haystacks = data.sentences.map((sentences, j) => {
        const text = data.raw[j] === null ? "" : data.raw[j];
        return `${prompts[data.prompt[j]]}\n${sentences.join(" ")}\n${text}`.toLowerCase();
      });
    }
    return haystacks[i];
  };

  // ---------------------------------------------------------------- filters
  const value = (name) => form.elements[name].value;
  const cellsAllowed = () => {
    const keys = ["model", "condition", "decoding", "prompts"];
    return data.cells.map((cell) => keys.every((key) => !value(key) || cell[key] === value(key)));
  };
  const labelWanted = () =>
    [...form.querySelectorAll("select[name=label]")]
      .filter((select) => select.value !== "")
      .map((select) => [seen[Number(select.dataset.attribute)], 1 << Number(select.value)]);
  const orderKeys = () => {
    const [direction, of] = value("order").split(" ");
    if (!of) return null;
    return [direction === "high" ? -1 : 1, of === "p" ? perplexity : extremes[Number(of)][direction]];
  };

  const filter = () => {
    const allowed = cellsAllowed();
    const labels = labelWanted();
    const wanted = { empty: 0, aligned: 1, misaligned: 2 }[value("result")];
    const search = value("search").trim().toLowerCase();
    found = [];
    for (let i = 0; i < n; i++) {
      if (!allowed[data.cell[i]]) continue;
      if (wanted !== undefined && result[i] !== wanted) continue;
      if (!labels.every(([bits, bit]) => bits[i] & bit)) continue;
      if (search && !haystack(i).includes(search)) continue;
      found.push(i);
    }
    const order = orderKeys();
    if (order) {
      const [sign, keys] = order;
      const last = (i) => Number.isNaN(keys[i]); // what has no score comes last either way
      found.sort((i, j) => last(i) - last(j) || sign * (keys[i] - keys[j]) || i - j);
    }
    page = 0;
    show();
  };

  // ---------------------------------------------------------------- one generation
  const shade = (attribute, score) => {
    const scale = (x) => (attribute.log ? Math.log10(Math.max(x, 1e-300)) : x);
    const bounds = attribute.bounds.map(scale);
    const at = scale(score);
    const labels = bounds.length - 1;
    let label = 0;
    while (label < labels - 1 && at > bounds[label + 1]) label++;
    const length = bounds[label + 1] - bounds[label];
    const share = Math.min(1, Math.max(0, length > 0 ? (at - bounds[label]) / length : 0.5));
    const place = (label + share) / labels;
    const desired = attribute.desired / (labels - 1);
    const distance = Math.abs(place - desired) / Math.max(desired, 1 - desired);
    return Math.round(SHADES * (1 - Math.min(1, distance)));
  };

  const blurred = () => {
    if (form.elements["show-all"].checked) return new Set();
    const boxes = [...form.querySelectorAll("input[name=blur]")];
    return new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  };
  const reveal = (element) => {
    element.classList.remove("blurred");
    for (const name of ["role", "tabindex", "aria-label"]) element.removeAttribute(name);
  };
  const blur = (element, why) => {
    element.classList.add("blurred");
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", "0");
    element.setAttribute("aria-label", `hidden: ${why}; activate to show`);
  };
  const onReveal = (event) => {
    const element = event.target.closest && event.target.closest(".blurred");
    if (!element) return;
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    reveal(element);
  };

  const beginnings = [...document.querySelectorAll("[data-hidden]")];
  const cover = () => {
    const hidden = blurred();
    for (const one of beginnings) {
      if (one.dataset.boxes.split(" ").some((box) => hidden.has(box))) blur(one, one.dataset.hidden);
      else reveal(one);
    }
  };

  const unscored = (className, text, hidden) => {
    const element = make("p", className, text);
    if (text && hidden.has("unscored")) blur(element, "text that was not scored");
    return element;
  };

  const sentence = (i, s, colour, hidden) => {
    const item = make("li", `f${shade(data.attributes[colour], data.scores[i][s * width + colour])}`);
    const text = make("span", "text", data.sentences[i][s]);
    const figures = make("span", "figures");
    const why = [];
    data.attributes.forEach((attribute, a) => {
      const label = data.labels[i][s * width + a];
      const missed = label !== data.cells[data.cell[i]].targets[a];
      const shown = `${attribute.name} ${number(data.scores[i][s * width + a])} ${attribute.labels[label]}`;
      figures.append(make("span", missed ? "missed" : "", missed ? `${shown} ✗` : shown));
      if (attribute.hidden[label] && hidden.has(String(a))) why.push(attribute.labels[label]);
    });
    if (why.length) blur(text, why.join(", "));
    item.append(text, figures);
    return item;
  };

  const generation = (i, colour, hidden) => {
    const cell = data.cells[data.cell[i]];
    const article = make("article", "generation");
    const head = make("header");
    head.append(make("b", "", cell.model), make("span", "", cell.condition), make("span", "", cell.decoding));
    const details = [`${cell.prompts} ${data.promptId[i]}`, `sample ${data.sample[i]}`];
    if (data.perplexity[i] !== null) details.push(`perplexity ${number(data.perplexity[i])}`);
    head.append(make("span", "quiet", details.join(" · ")));
    article.append(head);
    const prompt = data.prompts[data.prompt[i]];
    if (prompt) article.append(unscored("prompt", prompt, hidden));
    const sentences = make("ol");
    for (let s = 0; s < data.sentences[i].length; s++) sentences.append(sentence(i, s, colour, hidden));
    if (data.sentences[i].length) article.append(sentences);
    else article.append(make("p", "quiet", "no sentence"));
    if (data.raw[i]) {
      const more = make("details");
      more.append(make("summary", "", "as it was written"), unscored("raw", data.raw[i], hidden));
      article.append(more);
    }
    return article;
  };

  const show = () => {
    const start = page * PAGE;
    const end = Math.min(found.length, start + PAGE);
    const colour = Number(value("colour"));
    const hidden = blurred();
    list.replaceChildren(...found.slice(start, end).map((i) => generation(i, colour, hidden)));
    const [some, all] = [found.length, n].map((one) => one.toLocaleString("en"));
    const whole = found.length === n ? `${all} generations` : `${some} found among ${all} generations`;
    count.textContent = found.length ? `${start + 1}–${end} of ${whole}` : `none found among ${all} generations`;
    document.getElementById("previous").disabled = page === 0;
    for (const id of ["next", "next-below"]) document.getElementById(id).disabled = end >= found.length;
  };
  const turn = (by) => {
    page = Math.max(0, Math.min(Math.ceil(found.length / PAGE) - 1, page + by));
    show();
    document.getElementById("filters").nextElementSibling.scrollIntoView({ block: "start" });
  };

  form.addEventListener("input", (event) => {
    const redraw = ["blur", "show-all", "colour"].includes(event.target.name);
    if (!redraw) filter();
    else {
      show();
      if (event.target.name !== "colour") cover();
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["click", "keydown"]) document.addEventListener(kind, onReveal);
  document.getElementById("previous").addEventListener("click", () => turn(-1));
  for (const id of ["next", "next-below"]) document.getElementById(id).addEventListener("click", () => turn(1));

  // ---------------------------------------------------------------- the page
  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
  });
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("#provenance details, details.caption")) one.open = true;
  });

  form.reset(); // a browser may keep the values of an earlier visit
  cover();
  filter();
})();
