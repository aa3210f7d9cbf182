/* SPDX-License-Identifier: MIT */
/*
 * The operators' page. A WebSocket brings the figures once a second; sums become rates here, by the server's clock, and
 * two minutes of them are drawn. What is asked for by hand goes over HTTP. The token, where there is one, is in this
 * window's storage, in a field of each request, and in an offered subprotocol: never in an address.
 *
 * Names of channels, users and payloads are other people's: they are shown as text, and nothing else is made of them.
 */
import { byId, draw, make, showState } from "./wire.js";

const KEPT = 120;
const HISTORY = 50;
const PRESENT = 200;             /* more are not asked for: the server would put them all together */
const AGAIN_MS = 1000;
const SHORTEST_MS = 0.125;
const STORED = "duet-admin-token";
const PROTOCOL = "duet.admin.v1";
const CODES = {
    1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1005: "no code",
    1006: "lost, no Close came", 1007: "invalid payload", 1008: "policy, or a slow reader", 1009: "message too big",
    1011: "internal error", 1012: "service restart", 1013: "try again later", 3000: "connection closed",
    3001: "shutdown", 3005: "token expired", 3008: "slow reader", 3012: "no pong", 3500: "invalid token",
    3501: "bad request", 3502: "stale", 3503: "forced by the API", 4410: "history is gone" };

const counts = [["connections", "Connections"], ["websockets", "WebSockets"], ["sessions", "Clients of channels"],
                ["users", "Users"], ["subscriptions", "Subscriptions"], ["channels", "Channels in memory"]];
const rates = [["messages_in", "Messages in", "in", perSecond], ["messages_out", "Messages out", "out", perSecond],
               ["bytes_in", "Bytes in", "in", bytesPerSecond], ["bytes_out", "Bytes out", "out", bytesPerSecond],
               ["publications", "Publications", "", perSecond], ["lag_us", "Loop lag", "", lag]];
const series = new Map();        /* name: the last KEPT values */
const tiles = new Map();         /* name: { number, spark } */
const lags = new Array(10).fill(0);
let token = remembered();
let socket = null;
let before = null;               /* the figures of a second ago */
let watched = 0;
let shown = "";                  /* the channel that is inspected */
let looks = 0;                   /* at channels: what an older one is answered is not shown over the newest */

function remembered() {
    try {
        return sessionStorage.getItem(STORED) ?? "";
    } catch {
        return "";
    }
}

function remember(value) {
    token = value;
    try {
        if (value)
            sessionStorage.setItem(STORED, value);
        else
            sessionStorage.removeItem(STORED);
    } catch {
        /* it is asked for again with the next page */
    }
}

/* Numbers as people read them. */

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en");

function number(n) {
    return n < 100000 ? whole.format(n) : short.format(n);
}

function perSecond(n) {
    return [n >= 9.95 || n === 0 ? number(Math.round(n)) : n.toFixed(1), "/s"];
}

function bytes(n) {
    const at = n < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(n) / 3));
    const value = n / 1000 ** at;
    return [value >= 99.5 || at === 0 ? Math.round(value) : value.toFixed(1), ["B", "kB", "MB", "GB", "TB"][at]];
}

function bytesPerSecond(n) {
    const [value, unit] = bytes(n);
    return [value, `${unit}/s`];
}

function lag(us) {
    return us < 1000 ? [us, "µs"] : us < 1000000 ? [(us / 1000).toFixed(1), "ms"] : [(us / 1000000).toFixed(1), "s"];
}

function duration(ms) {
    const s = Math.floor(ms / 1000);
    if (s < 60)
        return `${s} s`;
    if (s < 3600)
        return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400)
        return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

/* Asking. */

class Refused extends Error {}

/* `body` is JSON. */
async function ask(path, body) {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const options = body === undefined ? { headers } : { method: "POST", headers, body };
    const response = await fetch(path, { ...options, cache: "no-store" });
    const text = await response.text();
    if (response.status === 401 || response.status === 403)
        throw new Refused(text.trim());
    if (!response.ok)
        throw new Error(text.trim());
    const answer = JSON.parse(text);
    if (answer.error)
        throw new Error(answer.error.message);
    return answer.result ?? answer;
}

/* Whatever cannot stand in a subprotocol, as %XX of its UTF-8. */
function escaped(text) {
    return encodeURIComponent(text).replace(/[()]/g, sign => `%${sign.charCodeAt(0).toString(16)}`);
}

/* Coming in. */

async function comeIn() {
    showState("opening");
    try {
        await ask("/admin/api/info", "{}");
    } catch (error) {
        if (error instanceof Refused)
            refuse(error.message);
        else
            setTimeout(comeIn, AGAIN_MS);
        return;
    }
    byId("door").hidden = true;
    byId("board").hidden = false;
    byId("leave").hidden = !token;
    byId("token").value = "";
    connect();
}

/* A token that was never there was not refused. */
function refuse(why) {
    showState("closed");
    byId("board").hidden = true;
    byId("door").hidden = false;
    byId("refused").textContent = token || !why.startsWith("operators") ? why : "";
    remember("");
    byId("token").focus();
}

function connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const protocols = token ? [PROTOCOL, `token.${escaped(token)}`] : [PROTOCOL];
    const mine = new WebSocket(`${scheme}//${location.host}/admin/live`, protocols);
    socket = mine;
    mine.onopen = () => showState("open");
    mine.onmessage = event => show(JSON.parse(event.data));
    mine.onclose = () => {
        if (mine !== socket)
            return;
        socket = null;
        before = null;
        showState("closed");
        setTimeout(comeIn, AGAIN_MS * (1 + Math.random()));
    };
}

function leave() {
    const old = socket;
    socket = null;
    old?.close(1000);
    remember("");
    refuse("operators");
}

/* Tiles. */

function makeTiles(id, all, withSpark) {
    for (const [name, label, voice = ""] of all) {
        const figure = make("dd", { id: `n-${name}` }, "–");
        const tile = make("dl", { className: "tile" }, make("dt", {}, label), figure);
        const spark = withSpark ? draw("svg", { class: `spark ${voice}`, viewBox: `0 0 ${KEPT - 1} 40`,
                                                preserveAspectRatio: "none", "aria-hidden": "true" }) : null;
        if (spark) {
            spark.append(draw("path", { class: "under" }), draw("path", { class: "line" }));
            tile.append(spark);
        }
        tiles.set(name, { figure, spark });
        byId(id).append(tile);
    }
}

function tell(name, value, unit) {
    const { figure } = tiles.get(name);
    figure.replaceChildren(String(value), unit ? make("small", {}, unit) : "");
}

/* The newest at the right end; what is missing to the left was not watched. */
function sketch(name, value) {
    const values = series.get(name) ?? [];
    series.set(name, values);
    values.push(value);
    if (values.length > KEPT)
        values.shift();
    const most = Math.max(...values, 1e-9);
    const points = values.map((v, i) => `${KEPT - values.length + i} ${(38 - 34 * v / most).toFixed(2)}`);
    const [under, line] = tiles.get(name).spark.children;
    line.setAttribute("d", `M${points.join("L")}`);
    under.setAttribute("d", `M${KEPT - values.length} 40L${points.join("L")}L${KEPT - 1} 40Z`);
}

/* Columns. */

function columns(id, values, labels) {
    const svg = byId(id);
    const step = 480 / values.length;
    const most = Math.max(...values, 1);
    const parts = [draw("line", { class: "floor", x1: 0, x2: 480, y1: 128.5, y2: 128.5 })];
    values.forEach((value, i) => {
        const height = value ? Math.max(2, 106 * value / most) : 0;
        const label = draw("text", { x: (i + 0.5) * step, y: 145 });
        label.append(labels[i]);
        parts.push(label);
        if (!value)
            return;
        const much = draw("text", { class: "much", x: (i + 0.5) * step, y: 122 - height });
        much.append(number(value));
        parts.push(draw("rect", { class: "bar", x: i * step + 3, y: 128 - height, width: step - 6, height, rx: 2 }), much);
    });
    svg.replaceChildren(...parts);
}

/* "<⅛ ms", up to the last, which has all that is longer. */
function limits(n) {
    return Array.from({ length: n }, (_, i) => {
        const ms = SHORTEST_MS * 2 ** (i === n - 1 ? i - 1 : i);
        const sign = i === n - 1 ? "≥" : "<";
        return ms < 1 ? `${sign}${{ 0.125: "⅛", 0.25: "¼", 0.5: "½" }[ms]}` : `${sign}${ms}`;
    });
}

function showTrips(figures) {
    const answered = figures.looked - figures.unanswered;
    columns("trips", figures.trips, limits(figures.trips.length));
    byId("trips-says").textContent = answered
        ? `Milliseconds; ${number(answered)} of ${number(figures.looked)} WebSockets have answered a ping so far.`
        : "Milliseconds; no WebSocket has been pinged yet: that comes when one has been silent.";
}

function showLags(us) {
    let at = 0;
    while (at < lags.length - 1 && us >= 1000 * SHORTEST_MS * 2 ** at)
        at++;
    lags[at]++;
    watched++;
    columns("lags", lags, limits(lags.length));
    byId("lags-says").textContent = `Milliseconds; of ${number(watched)} seconds, the slowest turn of the last few.`;
}

/* Lists. */

function table(heads, rows) {
    const cell = (tag, [value, kind]) => make(tag, { className: kind ?? "" }, value);
    return make("table", {},
        make("thead", {}, make("tr", {}, ...heads.map(head => cell("th", head)))),
        make("tbody", {}, ...rows.map(row => make("tr", {}, ...row.map(value => cell("td", value))))));
}

/* Drawn anew only where it is not the same: a button that has the focus keeps it. */
function fill(id, rows, heads, none) {
    const list = byId(id);
    const key = JSON.stringify(rows);
    if (list.dataset.key === key)
        return;
    list.dataset.key = key;
    const focus = list.contains(document.activeElement) ? document.activeElement.textContent : null;
    list.replaceChildren(rows.length === 0 ? make("p", { className: "none" }, none) : table(heads, rows.map(build[id])));
    if (focus !== null)
        [...list.querySelectorAll("button")].find(button => button.textContent === focus)?.focus();
}

function nameButton(name) {
    const button = make("button", { type: "button", className: "name", title: name }, name);
    button.addEventListener("click", () => {
        byId("name").value = byId("to").value = name;
        inspect(name);
        byId("inspect").scrollIntoView();
    });
    return button;
}

const aChannel = ({ channel, subscribers, rate }) => [
    [nameButton(channel)], [number(subscribers), "number"], [perSecond(rate).join(""), "number"]];
const build = {
    subscribed: aChannel,
    busy: aChannel,
    slow: ({ user, from, queued, rtt_us: rtt, age_ms: age }) => [
        [make("span", {}, user ? make("b", {}, user) : "", user ? " " : "", make("span", { className: "hint" }, from))],
        [bytes(queued).join(" "), "number"], [rtt ? lag(rtt).join(" ") : "–", "number extra"],
        [duration(age), "number extra"]],
    closes: ([code, n]) => [[make("span", {}, `${code} `, make("span", { className: "hint" }, CODES[code] ?? ""))],
                            [number(n), "number"]],
    reasons: ([reason, n]) => [[reason.replaceAll("_", " ")], [number(n), "number"]],
};
const channelHeads = [["Channel"], ["subscribers", "number"], ["published", "number"]];

function byCount(object) {
    return Object.entries(object).sort(([, a], [, b]) => b - a);
}

function showLists(figures) {
    fill("subscribed", figures.subscribed, channelHeads, "Nobody is subscribed to anything.");
    fill("busy", figures.busy, channelHeads, "Nothing has been published lately.");
    fill("slow", figures.slow, [["Who"], ["waits", "number"], ["round trip", "number extra"], ["here for", "number extra"]],
         "Everybody keeps up: nothing waits for anyone.");
    fill("closes", byCount(figures.closes), [["Code"], ["so far", "number"]], "None so far.");
    fill("reasons", byCount(figures.reasons), [["Reason"], ["so far", "number"]], "None so far.");
}

/* Once a second. */
function show(figures) {
    const { now, sum } = figures;
    const seconds = before ? (figures.t - before.t) / 1000 : 0;
    for (const [name] of counts)
        tell(name, number(now[name]));
    for (const [name, , , format] of rates) {
        const value = name === "lag_us" ? now.lag_us : seconds > 0 ? (sum[name] - before.sum[name]) / seconds : null;
        if (value !== null) {
            tell(name, ...format(value));
            sketch(name, value);
        }
    }
    const trouble = [figures.healthy ? "" : `The store has trouble: ${figures.why}.`,
                     sum.log_dropped ? `${number(sum.log_dropped)} lines of the log were lost.` : ""];
    byId("trouble").textContent = trouble.join(" ").trim();
    byId("about").textContent = `Duet ${figures.version}, up for ${duration(figures.uptime_ms)}, `
        + `${bytes(now.history_bytes).join(" ")} of history in memory.`;
    showTrips(figures);
    showLags(now.lag_us);
    showLists(figures);
    before = figures;
}

/* The inspector. */

function facts(id, pairs) {
    byId(id).replaceChildren(...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function publication({ data, offset, time, info, tags }) {
    return make("li", {},
        make("div", { className: "head" }, make("b", {}, String(offset)),
             make("span", {}, new Date(time).toLocaleString()),
             info ? make("span", {}, info.user || "anonymous") : "",
             tags ? make("span", {}, JSON.stringify(tags)) : ""),
        make("code", {}, JSON.stringify(data)));
}

function person([client, { user, conn_info: info }]) {
    return make("li", {}, make("b", {}, user || "anonymous"), " ", make("span", { className: "hint" }, client),
                info === undefined ? "" : make("code", {}, JSON.stringify(info)));
}

/* What this channel has not is no trouble: then that part says so. */
async function orNone(question) {
    try {
        return await question;
    } catch (error) {
        if (error instanceof Refused)
            throw error;
        return null;
    }
}

function listOr(id, items, none) {
    byId(id).replaceChildren(...(items?.length ? items : [make("li", { className: "none" }, none)]));
}

async function inspect(name) {
    const look = ++looks;
    shown = name;
    byId("no-look").textContent = "";
    try {
        const channel = await ask(`/admin/channel?name=${encodeURIComponent(name)}`);
        const history = await orNone(ask("/admin/api/history",
                                          JSON.stringify({ channel: name, limit: HISTORY, reverse: true })));
        const many = channel.subscribers > PRESENT;
        const present = many ? null : await orNone(ask("/admin/api/presence", JSON.stringify({ channel: name })));
        if (look !== looks)
            return;
        facts("facts", [["Subscribers", number(channel.subscribers)],
                        ["Offset", history ? number(history.offset) : "none: it keeps no history"],
                        ["Epoch", history?.epoch || "–"]]);
        facts("options", Object.entries(channel.options).map(([key, value]) =>
            [key, Array.isArray(value) ? value.join(", ") || "none" : String(value ?? "–")]));
        listOr("history", history?.publications.map(publication), history ? "Nothing is kept." : "It keeps none.");
        listOr("presence", present && Object.entries(present.presence).map(person),
               present ? "Nobody." : many ? `${number(channel.subscribers)}: too many to list.`
                       : "This channel does not tell (presence: false).");
        byId("found").hidden = false;
    } catch (error) {
        if (look !== looks)
            return;
        byId("found").hidden = true;
        byId("no-look").textContent = error.message;
    }
}

/* Publishing. */

/* What is JSON goes out as it was written: a number that JavaScript has no room for would be another one. */
function message() {
    const text = byId("what").value;
    if (document.querySelector("input[name=kind]:checked").value === "text")
        return `"text":${JSON.stringify(text)}`;
    try {
        JSON.parse(text);
    } catch (error) {
        throw new Error(`This is not JSON: ${error.message}`);
    }
    return `"data":${text}`;
}

async function publish() {
    const channel = byId("to").value;
    const key = byId("key").value;
    byId("said").textContent = byId("unsaid").textContent = "";
    try {
        const { offset } = await ask("/admin/api/publish",
            `{"channel":${JSON.stringify(channel)},"idempotency_key":${JSON.stringify(key)},${message()}}`);
        byId("said").textContent = offset ? `Published, as number ${number(offset)}.` : "Published.";
        if (channel === shown)
            inspect(channel);
    } catch (error) {
        byId("unsaid").textContent = error.message;
    }
}

function onSubmit(id, run) {
    byId(id).addEventListener("submit", event => {
        event.preventDefault();
        run();
    });
}

makeTiles("counts", counts, false);
makeTiles("rates", rates, true);
onSubmit("door", () => {
    remember(byId("token").value);
    comeIn();
});
onSubmit("look", () => inspect(byId("name").value));
onSubmit("say", publish);
byId("leave").addEventListener("click", leave);
comeIn();
