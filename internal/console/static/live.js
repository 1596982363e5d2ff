// Keeps the page of a running job up to date: the states at work and the progress of its lanes. It reloads the page once,
// when the job ends or waits. Without it the page shows how it was when it was loaded.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live || !window.EventSource) return;
  const states = document.getElementById("live-states");
  const note = document.getElementById("live-note");
  const lanes = document.getElementById("live-lanes");
  const number = (n) => n.toLocaleString("en");

  const say = (element, text) => {
    if (element.textContent !== text) element.textContent = text; // a screen reader is told of changes only
  };

  const light = (names) => {
    for (const box of document.querySelectorAll("[data-state]")) {
      const lit = names.includes(box.dataset.state);
      const name = box.querySelector(".name");
      box.classList.toggle("lit", lit);
      box.querySelector(".now").hidden = !lit;
      if (lit) name.setAttribute("aria-current", "step");
      else name.removeAttribute("aria-current");
    }
    say(states, names.length ? "At work: " + names.join(", ") + "." : "At work: nothing at this moment.");
  };

  // The same words as the page's own.
  const far = (e) => {
    if (e.doing === "waiting") return "for the limit of " + number(e.total) + " calls a minute";
    const parts = [];
    if (e.total > 0) parts.push(number(e.done) + " of " + number(e.total));
    else if (e.done > 0) parts.push(number(e.done));
    if (e.found > 0) parts.push(number(e.found) + " found");
    if (e.end) parts.push("done");
    return parts.join(", ");
  };

  const cell = (kind, label, text) => {
    const c = document.createElement(kind);
    c.dataset.label = label;
    c.textContent = text;
    return c;
  };

  const show = (events) => {
    lanes.replaceChildren(...events.map((e) => {
      const row = document.createElement("tr");
      const target = cell("th", "Target", e.target);
      target.scope = "row";
      row.append(target, cell("td", "Area", e.area), cell("td", "Doing", e.doing), cell("td", "Search", number(e.pass)), cell("td", "How far", far(e)));
      return row;
    }));
  };

  const source = new EventSource(live.dataset.events);
  let broken = 0; // in a row: some services end a stream after each news, and the browser opens the next
  source.addEventListener("open", () => {
    broken = 0;
    say(note, "This is live.");
  });
  source.addEventListener("progress", (message) => {
    const progress = JSON.parse(message.data);
    light(progress.states || []);
    show(progress.lanes || []);
  });
  source.addEventListener("end", () => {
    source.close();
    location.replace(location.pathname); // without the message of what began here
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) say(note, "This is not live any more. Reload the page to see how the job stands.");
    else if (broken++ > 0) say(note, "The connection broke off. Trying again.");
  });
})();
