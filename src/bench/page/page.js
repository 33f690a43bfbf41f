"use strict";
// The workbench's page: talks to /api only, keeps no state but what it shows.

const ENTRIES_MAX = 500;
const byId = (id) => document.getElementById(id);
let chosen = null;
let devices = [];
let lastEntry = 0;
let lastSession = 0;

/** An element with attributes (functions become listeners) and children. */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (typeof value === "boolean") made[name] = value;
    else if (value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

async function ask(path, body) {
  const options = body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const reply = await fetch(path, options || {});
  if (!reply.ok) throw new Error(`${reply.status} ${await reply.text()}`);
  return reply.json();
}

/** Calls an RPC of the chosen device; throws what the device or the ACS said against it. */
async function call(rpc, more = {}) {
  const done = await ask("/api/rpc", { device: chosen, rpc, ...more });
  if (!done.ok) throw Object.assign(new Error(done.error), { fault: done.fault });
  return done.answer;
}

function say(text, bad = false) {
  byId("message").className = bad ? "bad" : "";
  byId("message").textContent = text;
}

/** Runs something a button started: the button waits, an error is shown. */
async function run(button, doing) {
  if (button) button.disabled = true;
  try {
    await doing();
  } catch (error) {
    say(error.message, true);
  } finally {
    if (button) button.disabled = false;
  }
}

// Devices

async function refreshDevices() {
  const told = await ask("/api/devices");
  byId("acs").textContent = told.acs;
  devices = told.devices;
  byId("none").hidden = devices.length > 0;
  const focused = document.activeElement?.dataset?.device;
  byId("devices").replaceChildren(...devices.map((d) => make("li", {},
    make("button", { type: "button", "data-device": d.id, "aria-current": String(d.id === chosen), click: () => choose(d.id) },
      make("strong", {}, d.id),
      make("span", { class: d.in_session ? "quiet open" : "quiet rest" }, d.in_session ? "in session" : clock(d.at))))));
  if (focused) document.querySelector(`[data-device="${CSS.escape(focused)}"]`)?.focus();
  if (!chosen && devices.length) choose(devices[0].id);
  else showDevice();
}

function showDevice() {
  const d = devices.find((one) => one.id === chosen);
  byId("device").hidden = !d;
  if (!d) return;
  byId("name").textContent = [d.manufacturer, d.product_class, d.serial].filter(Boolean).join(" ");
  byId("wake").disabled = !d.wake_url;
  const facts = [d.software && `software ${d.software}`, `${d.informs} Inform${d.informs === 1 ? "" : "s"}`,
    `last ${clock(d.at)}: ${d.events.join(", ")}`, d.queued ? `${d.queued} waiting` : null];
  byId("facts").textContent = facts.filter(Boolean).join(" · ");
}

function choose(id) {
  chosen = id;
  for (const button of document.querySelectorAll("[data-device]")) {
    button.setAttribute("aria-current", String(button.dataset.device === id));
  }
  say("");
  showDevice();
  byId("tree-hint").hidden = true;
  byId("root").replaceChildren(make("ul", { class: "branch" }, branch("Device.", "Device.", false)));
  filterLog();
}

function clock(at) {
  return at ? new Date(at).toLocaleTimeString([], { hour12: false }) : "";
}

byId("wake").addEventListener("click", (event) => run(event.currentTarget, async () => {
  say("Sending a connection request…");
  const done = await ask("/api/wake", { device: chosen });
  say(done.ok ? `The device answered ${done.status}.` : done.error, !done.ok);
}));

// Parameters

const isInstance = (path) => /\.(\d+|\[[^\]]+\])\.$/.test(path);
const lastPart = (path) => path.replace(/\.$/, "").split(".").pop();

function branch(path, name, writable) {
  const details = make("details", { "data-path": path, toggle: () => details.open && load(details, path) });
  const stop = (doing) => (event) => {
    event.preventDefault();
    event.stopPropagation();
    run(event.currentTarget, doing);
  };
  const reload = (of) => of && load(of, of.dataset.path);
  const buttons = [];
  if (writable && isInstance(path)) {
    const gone = async () => {
      if (!confirm(`Delete ${path}?`)) return;
      await call("DeleteObject", { object: path });
      say(`${path} is deleted.`);
      await reload(details.parentElement.closest("details"));
    };
    buttons.push(make("button", { type: "button", class: "small", click: stop(gone) }, "Delete"));
  } else if (writable) {
    const more = async () => {
      const added = await call("AddObject", { object: path });
      say(`${path}${added.instance}. is added.`);
      details.open = true;
      await reload(details);
    };
    buttons.push(make("button", { type: "button", class: "small", click: stop(more) }, "Add"));
  }
  details.append(make("summary", {}, make("span", { class: "mono" }, name), ...buttons));
  return make("li", {}, details);
}

async function load(details, path) {
  for (const old of [...details.children].slice(1)) old.remove();
  const wait = make("p", { class: "quiet wait" }, "asking the device…");
  details.append(wait);
  try {
    const { names } = await call("GetParameterNames", { path, next_level: true });
    const leaves = names.filter((n) => !n.path.endsWith("."));
    const { values } = leaves.length
      ? await call("GetParameterValues", { names: leaves.map((n) => n.path) }) : { values: [] };
    const known = new Map(values.map((v) => [v.name, v]));
    const list = make("ul", { class: "branch" });
    for (const leaf of leaves) list.append(row(leaf, known.get(leaf.path)));
    for (const object of names.filter((n) => n.path.endsWith("."))) {
      list.append(branch(object.path, lastPart(object.path) + ".", object.writable));
    }
    wait.replaceWith(names.length ? list : make("p", { class: "quiet wait" }, "nothing here"));
  } catch (error) {
    wait.className = "bad wait";
    wait.textContent = error.message;
  }
}

function row(name, value) {
  const label = lastPart(name.path);
  const kind = value?.type || "string";
  const shown = value ? value.value : "(no value)";
  if (!name.writable) {
    return make("li", { class: "leaf" }, make("label", { class: "mono" }, label),
      make("span", { class: "mono" }, shown || "\u2013"), make("span", { class: "kind" }, kind));
  }
  const id = `p-${name.path}`;
  let field;
  if (kind === "boolean") {
    field = make("select", { id }, make("option", { value: "true" }, "true"), make("option", { value: "false" }, "false"));
    field.value = ["1", "true"].includes(shown) ? "true" : "false";
  } else {
    field = make("input", { id, value: shown, autocomplete: "off", spellcheck: "false" });
  }
  let before = field.value;
  const set = make("button", { type: "submit", class: "small main", hidden: true }, "Set");
  const mark = () => {
    item.classList.toggle("dirty", field.value !== before);
    set.hidden = field.value === before;
  };
  field.addEventListener("input", mark);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") item.requestSubmit();
    if (event.key === "Escape") { field.value = before; mark(); }
  });
  const item = make("form", { class: "leaf", submit: (event) => {
    event.preventDefault();
    run(set, async () => {
      const wanted = field.value;
      const done = await call("SetParameterValues", { values: [{ name: name.path, type: kind, value: wanted }] });
      before = wanted;
      mark();
      say(`${name.path} is set${done.status ? ", to be applied later" : ""}.`);
    });
  } }, make("label", { class: "mono", for: id }, label), field,
  make("span", {}, make("span", { class: "kind" }, kind), " ", set));
  return make("li", {}, item);
}

// Calls

const TYPES = ["string", "int", "unsignedInt", "long", "unsignedLong", "boolean", "dateTime", "base64", "hexBinary", "decimal"];
const lines = (text) => text.split("\n").map((l) => l.trim()).filter(Boolean);
const input = (text, name, value = "") => make("label", {}, text, make("input", { name, value, autocomplete: "off", spellcheck: "false" }));
const area = (text, name, value = "") => make("label", {}, text, make("textarea", { name, spellcheck: "false", class: "mono" }, value));
const tick = (text, name, on = false, needed = false) =>
  make("label", { class: "line" }, make("input", { type: "checkbox", name, checked: on, required: needed }), text);
const choice = (text, name, options) =>
  make("label", {}, text, make("select", { name }, ...options.map(([value, shown]) => make("option", { value }, shown))));

function triple() {
  const one = make("div", { class: "triple" },
    make("input", { name: "name", placeholder: "Device.…", "aria-label": "Parameter", autocomplete: "off", spellcheck: "false" }),
    make("select", { name: "type", "aria-label": "Type" }, ...TYPES.map((t) => make("option", {}, t))),
    make("input", { name: "value", placeholder: "value", "aria-label": "Value", autocomplete: "off", spellcheck: "false" }),
    make("button", { type: "button", class: "small", "aria-label": "Remove this row", click: () => one.remove() }, "×"));
  return one;
}

/** Per RPC: its fields, and what they come to. */
const FORMS = {
  GetRPCMethods: [() => [], () => ({})],
  GetParameterNames: [
    () => [input("Parameter path", "path", "Device."), tick("next level only", "next", true)],
    (f) => ({ path: f.path.value.trim(), next_level: f.next.checked }),
  ],
  GetParameterValues: [
    () => [area("Names, one a line; a partial path ends in a dot", "names", "Device.DeviceInfo.")],
    (f) => ({ names: lines(f.names.value) }),
  ],
  SetParameterValues: [
    () => {
      const rows = make("div", {}, triple());
      return [rows, make("div", {}, make("button", { type: "button", class: "small", click: () => rows.append(triple()) },
        "One more")), input("ParameterKey", "key")];
    },
    (f) => ({
      key: f.key.value,
      values: [...byId("fields").querySelectorAll(".triple")].map((r) => ({
        name: r.querySelector("[name=name]").value.trim(), type: r.querySelector("[name=type]").value,
        value: r.querySelector("[name=value]").value,
      })),
    }),
  ],
  GetParameterAttributes: [
    () => [area("Names, one a line; a partial path ends in a dot", "names", "Device.DeviceInfo.")],
    (f) => ({ names: lines(f.names.value) }),
  ],
  SetParameterAttributes: [
    () => [area("Names, one a line; a partial path ends in a dot", "names"),
      choice("Notification", "notification", [["", "leave"], ["0", "0 off"], ["1", "1 passive"], ["2", "2 active"],
        ["3", "3 passive lightweight"], ["4", "4 passive and passive lightweight"], ["5", "5 active lightweight"],
        ["6", "6 passive and active lightweight"]]),
      choice("Access list", "access", [["", "leave"], ["none", "the ACS only"], ["Subscriber", "Subscriber"]])],
    (f) => ({
      changes: lines(f.names.value).map((name) => ({
        name,
        notification: f.notification.value === "" ? null : Number(f.notification.value),
        access: { "": null, none: [] , Subscriber: ["Subscriber"] }[f.access.value],
      })),
    }),
  ],
  AddObject: [
    () => [input("Table, ending in a dot", "object", "Device.NAT.PortMapping."), input("ParameterKey", "key")],
    (f) => ({ object: f.object.value.trim(), key: f.key.value }),
  ],
  DeleteObject: [
    () => [input("Instance, ending in a dot", "object"), input("ParameterKey", "key")],
    (f) => ({ object: f.object.value.trim(), key: f.key.value }),
  ],
  Reboot: [() => [input("CommandKey", "key")], (f) => ({ key: f.key.value })],
  FactoryReset: [() => [tick("Yes, forget every setting of the device", "sure", false, true)], () => ({})],
};

byId("rpc").append(...Object.keys(FORMS).map((name) => make("option", {}, name)));
byId("rpc").addEventListener("change", showForm);

function showForm() {
  byId("fields").replaceChildren(...FORMS[byId("rpc").value][0]());
  byId("result").replaceChildren();
}

byId("call").addEventListener("submit", (event) => {
  event.preventDefault();
  const rpc = byId("rpc").value;
  run(event.submitter, async () => {
    if (!chosen) throw new Error("No device is chosen.");
    byId("result").replaceChildren();
    byId("calling").textContent = "waiting for the device…";
    try {
      showAnswer(rpc, await call(rpc, FORMS[rpc][1](event.target.elements)));
    } catch (error) {
      showFault(rpc, error);
    } finally {
      byId("calling").textContent = "";
    }
  });
});

function table(heads, rows) {
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((h) => make("th", { scope: "col" }, h)))),
    make("tbody", {}, ...rows.map((r) => make("tr", {}, ...r.map((c) => make("td", { class: "mono" }, String(c ?? "")))))));
}

function showAnswer(rpc, a) {
  const many = (list, word) => `${list.length} ${word}${list.length === 1 ? "" : "s"}`;
  let title = "done";
  let body = null;
  if (a.methods) [title, body] = [many(a.methods, "method"), table(["Method"], a.methods.map((m) => [m]))];
  else if (a.names) [title, body] = [many(a.names, "name"), table(["Name", "Writable"], a.names.map((n) => [n.path, n.writable ? "yes" : "no"]))];
  else if (a.values) [title, body] = [many(a.values, "value"), table(["Name", "Value", "Type"], a.values.map((v) => [v.name, v.value, v.type]))];
  else if (a.attributes) {
    const rows = a.attributes.map((t) => [t.name, t.notification, (t.access || []).join(", ")]);
    [title, body] = [many(a.attributes, "parameter"), table(["Name", "Notification", "Access list"], rows)];
  } else if (a.status !== undefined) {
    title = (a.instance === undefined ? "" : `instance ${a.instance}, `) + (a.status ? "to be applied later" : "applied");
  }
  byId("result").replaceChildren(...[make("h3", { class: "good" }, `✓ ${rpc}: ${title}`), body].filter(Boolean));
}

function showFault(rpc, error) {
  const parameters = error.fault?.parameters || [];
  const body = parameters.length ? table(["Parameter", "Code", "Reason"], parameters.map((p) => [p.name, p.code, p.text])) : null;
  const text = error.fault ? `fault ${error.fault.code} ${error.fault.text} (${error.fault.side})` : error.message;
  byId("result").replaceChildren(...[make("h3", { class: "bad" }, `✗ ${rpc}: ${text}`), body].filter(Boolean));
}

// Log

function xml(text) {
  const pre = make("pre");
  for (const part of text.split(/(<\/?[^\s>\/]+)/)) {
    pre.append(/^<\/?[^\s>\/]+$/.test(part) ? make("b", {}, part) : part);
  }
  return pre;
}

function showEntry(e) {
  const news = e.session !== lastSession;
  lastSession = e.session;
  const inside = [
    make("time", { datetime: e.at }, clock(e.at)),
    make("span", { class: "arrow", "aria-label": e.from_cpe ? "from the device" : "to the device" }, e.from_cpe ? "→" : "←"),
    make("span", { class: e.remarks.length ? "what bad" : "what" }, e.what + (e.remarks.length ? ` ⚠ ${e.remarks.length}` : "")),
    make("span", { class: "who" }, e.session ? `${e.device} · session ${e.session}` : e.device),
  ];
  const remarks = e.remarks.length ? make("ul", { class: "remarks" }, ...e.remarks.map((r) => make("li", {}, r))) : null;
  const details = make("details", {}, make("summary", {}, ...inside), remarks,
    e.text ? null : make("p", { class: "quiet wait" }, "no body"));
  // Long texts cost only when looked at.
  details.addEventListener("toggle", () => e.text && details.append(xml(e.text)), { once: true });
  const classes = [e.from_cpe ? "from" : "to", news ? "session" : ""].join(" ").trim();
  const item = make("li", { class: classes, "data-of": e.device, "data-bad": String(e.remarks.length > 0),
    "data-usp": String(e.what.startsWith("USP ")) }, details);
  byId("entries").append(item);
  while (byId("entries").childElementCount > ENTRIES_MAX) byId("entries").firstElementChild.remove();
}

function filterLog() {
  const device = byId("only-device").checked;
  const bad = byId("only-remarks").checked;
  const usp = byId("only-usp").checked;
  for (const item of byId("entries").children) {
    item.hidden = (device && item.dataset.of !== chosen) || (bad && item.dataset.bad !== "true") ||
      (usp && item.dataset.usp !== "true");
  }
  if (byId("follow").checked) byId("entries").scrollTop = byId("entries").scrollHeight;
}

for (const id of ["only-device", "only-remarks", "only-usp", "follow"]) byId(id).addEventListener("change", filterLog);
byId("clear").addEventListener("click", () => byId("entries").replaceChildren());

async function watch() {
  for (let first = true; ; first = false) {
    try {
      const { entries } = await ask(`/api/log?after=${lastEntry}${first ? "" : "&wait=1"}`);
      byId("link").textContent = "";
      for (const e of entries) {
        lastEntry = e.number;
        showEntry(e);
      }
      filterLog();
      await refreshDevices();
      document.dispatchEvent(new Event("news"));
    } catch {
      byId("link").textContent = "not connected";
      lastEntry = 0;
      await new Promise((later) => setTimeout(later, 2000));
      byId("entries").replaceChildren();
    }
  }
}

// Tabs

const tabs = [...document.querySelectorAll("[role=tab]")];

function open(tab) {
  for (const one of tabs) {
    one.setAttribute("aria-selected", String(one === tab));
    one.tabIndex = one === tab ? 0 : -1;
    byId(one.getAttribute("aria-controls")).hidden = one !== tab;
  }
  filterLog();
}

for (const tab of tabs) {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.focus();
    open(next);
  });
}

showForm();
watch();
