"use strict";
// The USP controller's part of the page: requests, what came back as a tree to go on from, and notifications.

let lastNotice = 0;

/** Sends a request to the chosen agent; throws what the agent or the controller said against it. */
async function askAgent(request, more = {}) {
  const chosen = byId("usp-agent").selectedOptions[0];
  if (!chosen) throw new Error("No agent has a session.");
  const done = await ask("/api/usp", { agent: chosen.dataset.id, over: chosen.dataset.over, request, ...more });
  if (!done.ok) throw Object.assign(new Error(done.error), { fault: done.fault });
  return done.answer;
}

/** Lines `name = value` as a map. */
function settings(text) {
  return Object.fromEntries(lines(text).map((line) => {
    const at = line.indexOf("=");
    if (at < 0) throw new Error(`"${line}" is no name = value`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }));
}

const wantedPaths = (f) => lines(f.paths.value);

/** Per request: its fields, and what they come to. */
const REQUESTS = {
  GetInstances: [
    () => [area("Tables or rows, one a line", "paths", "Device."), tick("first level only", "first")],
    (f) => ({ paths: wantedPaths(f), first_level_only: f.first.checked }),
  ],
  Get: [
    () => [area("Paths, one a line; with wildcards and searches", "paths", "Device.WiFi.SSID.*."),
      make("label", {}, "Depth, 0 for all", make("input", { name: "depth", type: "number", min: "0", value: "0" }))],
    (f) => ({ paths: wantedPaths(f), max_depth: Number(f.depth.value) }),
  ],
  Set: [
    () => [input("Object or search, ending in a dot", "object", "Device.WiFi.SSID.1."),
      area("Parameters, each line name = value", "settings", "SSID = ")],
    (f) => ({ objects: { [f.object.value.trim()]: settings(f.settings.value) } }),
  ],
  Add: [
    () => [input("Table, ending in a dot", "object", "Device.LocalAgent.Subscription."),
      area("Parameters, each line name = value", "settings",
        "ID = page\nNotifType = ValueChange\nReferenceList = Device.WiFi.SSID.1.SSID\nEnable = true")],
    (f) => ({ objects: { [f.object.value.trim()]: settings(f.settings.value) } }),
  ],
  Delete: [
    () => [area("Rows or searches, one a line", "paths")],
    (f) => ({ paths: wantedPaths(f) }),
  ],
  Operate: [
    () => [input("Command, ending in ()", "command", "Device.Reboot()"), input("Command key", "key"),
      area("Arguments, each line name = value", "settings")],
    (f) => ({ command: f.command.value.trim(), command_key: f.key.value, arguments: settings(f.settings.value) }),
  ],
  GetSupportedDM: [
    () => [area("Paths of the data model, one a line", "paths", "Device.WiFi."), tick("first level only", "first", true)],
    (f) => ({ paths: wantedPaths(f), first_level_only: f.first.checked }),
  ],
};

function showRequest(request = byId("usp-request").value, filled = {}) {
  byId("usp-request").value = request;
  byId("usp-fields").replaceChildren(...REQUESTS[request][0]());
  for (const [name, value] of Object.entries(filled)) byId("usp-call").elements[name].value = value;
}

async function sendRequest() {
  const request = byId("usp-request").value;
  byId("usp-result").replaceChildren();
  byId("usp-calling").textContent = "waiting for the agent…";
  try {
    const answer = await askAgent(request, REQUESTS[request][1](byId("usp-call").elements));
    const problems = Object.values(answer).some((one) => one?.error);
    byId("usp-result").replaceChildren(
      make("h3", { class: problems ? "bad" : "good" }, problems ? `✗ ${request}: see below` : `✓ ${request}`),
      ...Object.entries(answer).map(([path, said]) => part(path, said)));
  } catch (error) {
    const parameters = error.fault?.parameters || [];
    byId("usp-result").replaceChildren(...[make("h3", { class: "bad" }, `✗ ${request}: ${error.message}`),
      parameters.length ? table(["Parameter", "Code", "Reason"], parameters.map((p) => [p.path, p.code, p.text])) : null]
      .filter(Boolean));
  } finally {
    byId("usp-calling").textContent = "";
  }
}

/** Fills the form and sends it. */
function go(request, filled) {
  showRequest(request, filled);
  return sendRequest();
}

/** What came back for one path. */
function part(path, said) {
  if (said?.error) return table(["Path", "Code", "Reason"], [[path, said.error.code, said.error.text]]);
  const body = make("tbody");
  const cell = (text, ...more) => make("td", { class: "mono" }, text, ...more);
  const button = (text, label, doing) => make("button", { type: "button", class: "small", "aria-label": label,
    click: (event) => run(event.currentTarget, async () => doing()) }, text);
  for (const [row, keys] of Object.entries(said?.instances || {})) {
    body.append(make("tr", {}, cell(row, button("Get", `Get ${row}`, () => go("Get", { paths: row }))),
      cell(Object.entries(keys).map(([name, value]) => `${name}=${value}`).join(", "))));
  }
  for (const [object, values] of Object.entries(said?.objects || {})) {
    body.append(make("tr", {}, make("td", { class: "mono", colspan: "2" }, object)));
    for (const [name, value] of Object.entries(values)) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      const change = () => {
        showRequest("Set", { object, settings: `${name} = ${text}` });
        byId("usp-call").elements.settings.focus();
      };
      body.append(make("tr", {}, cell(name), cell(text, button("Set…", `Set ${object}${name}`, change))));
    }
  }
  if (said?.instances || said?.objects) {
    const refused = (said.refused || []).map((p) => make("tr", { class: "bad" }, cell(p.path), cell(`${p.code} ${p.text}`)));
    body.append(...refused);
    return body.childElementCount ? make("table", {}, body) : make("p", { class: "quiet" }, `${path}: nothing`);
  }
  return make("pre", {}, `${path}: ${JSON.stringify(said, null, 2)}`);
}

async function refreshUsp() {
  const told = await ask(`/api/usp?after=${lastNotice}`);
  byId("usp-call").hidden = !told.ways;
  if (!told.ways) return;
  byId("usp-facts").replaceChildren(...told.ways.map((w) => {
    const there = told.agents.filter((a) => a.over === w.over).map((a) => a.id);
    return make("li", {}, `${w.over}: `, make("code", {}, w.endpoint), " at ", make("code", {}, w.url),
      there.length ? `, with ${there.join(", ")}` : ", no agent yet");
  }));
  const before = byId("usp-agent").value;
  const name = (a) => `${a.id} over ${a.over}`;
  byId("usp-agent").replaceChildren(...told.agents.map((a) =>
    make("option", { value: name(a), "data-id": a.id, "data-over": a.over }, name(a))));
  if (told.agents.some((a) => name(a) === before)) byId("usp-agent").value = before;
  for (const n of told.notices) {
    lastNotice = n.number;
    byId("usp-news").prepend(make("li", {}, make("time", { class: "quiet", datetime: n.at }, clock(n.at)), " ",
      make("span", { class: "mono" }, `${n.over}, ${n.notify.subscription}: ${JSON.stringify(n.notify.notification)}`)));
  }
  while (byId("usp-news").childElementCount > ENTRIES_MAX) byId("usp-news").lastElementChild.remove();
  byId("usp-none").hidden = byId("usp-news").childElementCount > 0;
}

byId("usp-request").append(...Object.keys(REQUESTS).map((name) => make("option", {}, name)));
byId("usp-request").addEventListener("change", () => showRequest());
byId("usp-call").addEventListener("submit", (event) => {
  event.preventDefault();
  run(event.submitter, sendRequest);
});
document.addEventListener("news", () => refreshUsp().catch((error) => say(error.message, true)));
showRequest();
refreshUsp().catch((error) => say(error.message, true));
